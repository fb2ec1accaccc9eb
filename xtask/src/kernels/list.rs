//! The kernels that are booted, and what is expected of each.

/// A kernel of Debian's archive: the newest package of a series.
#[derive(Debug)]
pub struct Kernel {
    /// What it is called on the command line and in the table.
    pub name: &'static str,
    /// Who runs it.
    pub whose: &'static str,
    /// The archive's suites that may have it.
    pub suites: &'static [&'static str],
    /// How its package's name begins,
    pub prefix: &'static str,
    /// and ends; between them stand numbers.
    pub suffix: &'static str,
    /// What must come of it.
    pub expected: Expected,
    /// Whether CI boots it.
    pub in_ci: bool,
}

/// What must come of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The program runs.
    Runs,
    /// The kernel is too old, and refuses the program for a reason that is told.
    Refuses,
}

const fn debian(
    name: &'static str,
    suites: &'static [&'static str],
    prefix: &'static str,
    suffix: &'static str,
) -> Kernel {
    Kernel { name, whose: name, suites, prefix, suffix, expected: Expected::Runs, in_ci: false }
}

const BULLSEYE: &[&str] = &["bullseye", "bullseye-security"];
const BOOKWORM: &[&str] = &["bookworm", "bookworm-security"];
const BOOKWORM_BACKPORTS: &[&str] = &["bookworm-backports", "bookworm-security"];
const TRIXIE: &[&str] = &["trixie", "trixie-security"];
const TRIXIE_BACKPORTS: &[&str] = &["trixie-backports"];

const DEB11: &str = "-cloud-amd64";
const DEB12: &str = "+deb12-cloud-amd64";
const DEB13: &str = "+deb13-cloud-amd64";

/// All of them, oldest first. The cloud packages have the same verifier and the same drivers as the large ones, a third as large.
pub const ALL: &[Kernel] = &[
    Kernel {
        whose: "Debian 11; too old, which must be told",
        expected: Expected::Refuses,
        ..debian("debian11", BULLSEYE, "linux-image-5.10.0-", DEB11)
    },
    Kernel {
        whose: "Debian 11, newer kernel",
        ..debian("debian11-6.1", BULLSEYE, "linux-image-6.1.0-0.deb11.", DEB11)
    },
    Kernel { whose: "Debian 12", in_ci: true, ..debian("debian12", BOOKWORM, "linux-image-6.1.0-", DEB11) },
    Kernel { whose: "Debian 12, backports", ..debian("debian12-6.12", BOOKWORM_BACKPORTS, "linux-image-6.12.", DEB12) },
    Kernel { whose: "Debian 13", in_ci: true, ..debian("debian13", TRIXIE, "linux-image-6.12.", DEB13) },
    Kernel { whose: "Debian 13, backports", ..debian("debian13-6.16", TRIXIE_BACKPORTS, "linux-image-6.16.", DEB13) },
    Kernel { whose: "Debian 13, backports", ..debian("debian13-6.17", TRIXIE_BACKPORTS, "linux-image-6.17.", DEB13) },
    Kernel { whose: "Debian 13, backports", ..debian("debian13-6.18", TRIXIE_BACKPORTS, "linux-image-6.18.", DEB13) },
    Kernel { whose: "Debian 13, backports", ..debian("debian13-6.19", TRIXIE_BACKPORTS, "linux-image-6.19.", DEB13) },
    Kernel { whose: "Debian 13, backports", ..debian("debian13-7.0", TRIXIE_BACKPORTS, "linux-image-7.0.", DEB13) },
    Kernel { whose: "Debian 13, backports", ..debian("debian13-7.1", TRIXIE_BACKPORTS, "linux-image-7.1.", DEB13) },
    Kernel { whose: "Debian 13, backports", ..debian("debian13-7.2", TRIXIE_BACKPORTS, "linux-image-7.2.", DEB13) },
    Kernel { whose: "Debian 13, backports", ..debian("debian13-7.3", TRIXIE_BACKPORTS, "linux-image-7.3.", DEB13) },
];

/// One from elsewhere.
pub const GIVEN: Kernel = debian("given", &[], "", "");

impl Kernel {
    /// The numbers in the name of a package of this series, by which the newest is found; nothing for other packages.
    pub fn version(&self, package: &str) -> Option<Vec<u64>> {
        let middle = package.strip_prefix(self.prefix)?.strip_suffix(self.suffix)?;
        middle.split(['.', '-']).map(|number| number.parse().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_a_series_are_told_from_others() {
        let of = |name: &str| ALL.iter().find(|kernel| kernel.name == name).unwrap();
        for (kernel, package, version) in [
            ("debian12", "linux-image-6.1.0-57-cloud-amd64", Some(vec![57])),
            ("debian12", "linux-image-6.1.0-57-amd64", None),
            ("debian12", "linux-image-6.1.0-57-rt-cloud-amd64", None),
            ("debian12", "linux-image-6.1.0-0.deb11.52-cloud-amd64", None),
            ("debian11-6.1", "linux-image-6.1.0-0.deb11.52-cloud-amd64", Some(vec![52])),
            ("debian13", "linux-image-6.12.117+deb13-cloud-amd64", Some(vec![117])),
            ("debian13", "linux-image-6.12.117+deb12-cloud-amd64", None),
        ] {
            assert_eq!(of(kernel).version(package), version, "{kernel} {package}");
        }
    }

    #[test]
    fn ci_boots_two_and_no_name_is_taken_twice() {
        assert_eq!(ALL.iter().filter(|kernel| kernel.in_ci).count(), 2);
        for kernel in ALL {
            assert_eq!(ALL.iter().filter(|other| other.name == kernel.name).count(), 1, "{}", kernel.name);
        }
    }
}
