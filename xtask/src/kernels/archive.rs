//! Kernel packages from Debian's archive, kept in `.cache/kernels`.
//!
//! apt fetches and verifies them, with a configuration of its own beside the cache: the machine's sources, lists and packages stay
//! as they are. The archive is the mirror that the machine uses. Not here: installing anything.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use super::list::Kernel;
use crate::programs;

/// Keys of the archive, as Debian's package of them lays them down.
const KEYRINGS: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.pgp", "/usr/share/keyrings/debian-archive-keyring.gpg"];
const SECURITY: &str = "-security";

/// The cache, and apt's lists where something is to be fetched.
#[derive(Debug)]
pub struct Archive {
    folder: PathBuf,
    is_update: bool,
}

impl Archive {
    /// Opens the cache, and fetches the lists of the suites of `kernels` if one of them is not there yet or `is_update`.
    ///
    /// # Errors
    ///
    /// When the archive cannot be reached or what it says cannot be verified.
    pub fn open(kernels: &[&Kernel], is_update: bool) -> Result<Self> {
        let archive = Self { folder: programs::workspace().join(".cache/kernels"), is_update };
        fs::create_dir_all(&archive.folder).with_context(|| format!("cannot make {}", archive.folder.display()))?;
        if kernels.iter().any(|kernel| is_update || archive.cached(kernel).is_none()) {
            archive.fetch_lists(kernels)?;
        }
        Ok(archive)
    }

    /// The package of `kernel`: the one that was fetched before, or the newest.
    ///
    /// # Errors
    ///
    /// When the archive has none, or cannot be reached.
    pub fn fetch(&self, kernel: &Kernel) -> Result<PathBuf> {
        if let Some(cached) = self.cached(kernel).filter(|_| !self.is_update) {
            return Ok(cached);
        }
        let names = programs::output(self.apt("apt-cache").args(["pkgnames", kernel.prefix]))?;
        let newest = names.lines().filter_map(|name| Some((kernel.version(name)?, name))).max();
        let Some((_, name)) = newest else {
            bail!("{}: the archive has no package {}*{} any more", kernel.name, kernel.prefix, kernel.suffix);
        };
        let folder = self.folder.join(kernel.name);
        let work = self.folder.join(format!("fetch-{}", std::process::id()));
        fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
        eprintln!("fetching {name}");
        // It compares what it fetched with the signed lists.
        let fetched =
            programs::output(self.apt("apt-get").args(["download", name]).current_dir(&work)).and_then(|_| {
                let package = the_file(&work, "deb").context("apt-get left no package")?;
                fs::write(work.join("sha256"), digest(&package)?).context("cannot write down the digest")?;
                if folder.exists() {
                    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
                }
                fs::rename(&work, &folder).with_context(|| format!("cannot move {} into place", work.display()))
            });
        if fetched.is_err() {
            let _ = fs::remove_dir_all(&work);
        }
        fetched?;
        the_file(&folder, "deb").context("the package is gone")
    }

    /// The package that was fetched before, if it is still what apt has verified.
    fn cached(&self, kernel: &Kernel) -> Option<PathBuf> {
        let folder = self.folder.join(kernel.name);
        let package = the_file(&folder, "deb")?;
        let recorded = fs::read_to_string(folder.join("sha256")).ok()?;
        (digest(&package).ok()? == recorded).then_some(package)
    }

    fn fetch_lists(&self, kernels: &[&Kernel]) -> Result<()> {
        for folder in ["state/lists/partial", "cache/archives/partial"] {
            let folder = self.folder.join("apt").join(folder);
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let status = self.folder.join("apt/status");
        fs::write(&status, "").with_context(|| format!("cannot write {}", status.display()))?;
        let mut suites: Vec<&str> = kernels.iter().flat_map(|kernel| kernel.suites).copied().collect();
        suites.sort_unstable();
        suites.dedup();
        let sources = self.folder.join("apt/sources.list");
        fs::write(&sources, source_lines(&mirror()?, &suites)?)
            .with_context(|| format!("cannot write {}", sources.display()))?;
        eprintln!("fetching the lists of {}", suites.join(", "));
        programs::output(self.apt("apt-get").arg("update")).context("cannot fetch the lists of Debian's archive")?;
        Ok(())
    }

    /// A program of apt's that knows nothing but the kernels' suites.
    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let apt = |name: &str| self.folder.join("apt").join(name).display().to_string();
        for (setting, value) in [
            ("Dir::Etc::SourceList", apt("sources.list")),
            ("Dir::Etc::SourceParts", "/dev/null".to_owned()),
            ("Dir::State", apt("state")),
            ("Dir::State::Status", apt("status")),
            ("Dir::Cache", apt("cache")),
            ("APT::Architecture", "amd64".to_owned()),
            ("APT::Architectures", "amd64".to_owned()),
            ("APT::Sandbox::User", "root".to_owned()),
            ("Acquire::Languages", "none".to_owned()),
            ("Acquire::IndexTargets::deb::DEP-11::DefaultEnabled", "false".to_owned()),
        ] {
            command.arg("-o").arg(format!("{setting}={value}"));
        }
        command
    }
}

/// The mirror of Debian's archive that the machine uses.
fn mirror() -> Result<String> {
    let targets = programs::output(Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI)"]))?;
    let debian = targets.lines().map(|uri| uri.trim_end_matches('/')).find(|uri| uri.ends_with("/debian"));
    let mirror = debian.context("none of this machine's package sources is Debian's archive; name kernels by --deb")?;
    Ok(mirror.to_owned())
}

fn source_lines(mirror: &str, suites: &[&str]) -> Result<String> {
    let keyring = KEYRINGS.into_iter().find(|keyring| Path::new(keyring).exists());
    let keyring = keyring.context("the keys of Debian's archive are missing: install debian-archive-keyring")?;
    let line = |suite: &&str| {
        let archive = if suite.ends_with(SECURITY) { SECURITY } else { "" };
        format!("deb [signed-by={keyring}] {mirror}{archive} {suite} main\n")
    };
    Ok(suites.iter().map(line).collect())
}

/// The one file with this ending.
fn the_file(folder: &Path, extension: &str) -> Option<PathBuf> {
    let paths = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    paths.into_iter().find(|path| path.extension().is_some_and(|found| found == extension))
}

fn digest(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(!bytes.is_empty(), "{} is empty", path.display());
    Ok(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}
