//! The emulated machine: two processors, an interface of virtio with four pairs of queues, and a second one to send by.
//!
//! Both interfaces end in a bridge in a network namespace of its own, which goes with the machine. A second interface and not this
//! side sends, so that the test on the inside knows what was sent and when.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::builds::Tests;
use super::guest::{DRIVERS, FINISHED, INIT, PLAN, SAYS};
use super::image::Image;
use super::list::{Expected, Kernel};
use super::report::Tried;
use crate::demo::netns::Namespace;
use crate::programs;

/// Drivers that are loaded; those that the package does not have are part of the kernel.
const DRIVER_NAMES: [&str; 9] = [
    "failover",
    "virtio",
    "virtio_ring",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "net_failover",
    "virtio_net",
    "veth",
];
/// What the tests start.
const PROGRAMS: [&str; 4] = ["ip", "ethtool", "setpriv", "prlimit"];
/// What of the older test targets is run: each needs seconds by emulation.
const CHOSEN: [(&str, &str); 3] = [
    (
        "steering",
        "table:: accounts:: attaching:: door:: recipients::only recipients::addresses recipients::sockets recipients::the_machines",
    ),
    ("xdp_veth", "tagged_frames what_the_program"),
    ("kernels", "--include-ignored --skip refused:: --skip what_comes"),
];
/// What is run on a kernel that must refuse the program.
const CHOSEN_FOR_REFUSAL: [(&str, &str); 1] = [("kernels", "--include-ignored refused::")];

/// Above all that a machine has ever taken, on a busy host too; then it hangs.
const PATIENCE: Duration = Duration::from_secs(1800);
const QUEUE_PAIRS: &str = "4";
/// Where the kernel's messages go, and its first process's; a panic ends the machine.
const COMMAND_LINE: &str = "console=ttyS0 quiet panic=-1 oops=panic";

/// Unpacks the packages of a kernel and returns where.
///
/// # Errors
///
/// When they are none, or the disk is full.
pub fn unpack(name: &str, packages: &[PathBuf]) -> Result<PathBuf> {
    let folder = work_folder().join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for package in packages {
        programs::output(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&folder))?;
    }
    Ok(folder)
}

/// Boots the kernel in `files` and has it run the tests; what came of it.
///
/// # Errors
///
/// When it cannot be booted.
pub fn tries(kernel: &Kernel, files: &Path, tests: &Tests) -> Result<Tried> {
    ensure!(Path::new("/dev/net/tun").exists(), "/dev/net/tun is missing: the machine's interfaces end there");
    let vmlinuz = find(files, &|name| name.starts_with("vmlinuz")).context("the package has no kernel")?;
    let initrd = files.join("initrd");
    fs::write(&initrd, image(kernel, files, tests)?).with_context(|| format!("cannot write {}", initrd.display()))?;
    let network = Namespace::create("kernels")?;
    network.ip(&["link", "add", "bridge0", "type", "bridge"])?;
    network.ip(&["link", "set", "bridge0", "up"])?;
    for (tap, flags) in [("under", &["multi_queue"][..]), ("sender", &[])] {
        network.ip(&[&["tuntap", "add", "dev", tap, "mode", "tap"], flags].concat())?;
        network.ip(&["link", "set", tap, "master", "bridge0", "up"])?;
    }
    let log = work_folder().join(format!("{}.log", kernel.name));
    eprintln!("booting {}: {}; its console goes to {}", kernel.name, kernel.whose, log.display());
    let started = Instant::now();
    let mut command = qemu(&network);
    command.arg("-kernel").arg(&vmlinuz).arg("-initrd").arg(&initrd).args(["-append", COMMAND_LINE]);
    let mut qemu = Qemu(command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().context("start QEMU")?);
    let console = qemu.0.stdout.take().context("QEMU has no output")?;
    let watchdog = Watchdog::start(&qemu);
    let mut file = fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut tried = Tried::new(kernel, log);
    for line in BufReader::new(console).split(b'\n') {
        let line = String::from_utf8_lossy(&line.context("read the console")?).trim_end_matches('\r').to_owned();
        writeln!(file, "{line}").context("write the log")?;
        // What the kernel or a terminal wrote before stands on the same line.
        match line.split_once(SAYS) {
            Some((_, FINISHED)) => tried.is_finished = true,
            Some((_, said)) => tried.said(said),
            None => tried.line(&line),
        }
    }
    qemu.0.wait().context("wait for QEMU")?;
    watchdog.stop();
    tried.took = started.elapsed();
    let _ = fs::remove_dir_all(files);
    Ok(tried)
}

fn qemu(network: &Namespace) -> Command {
    let mut command = network.command("qemu-system-x86_64");
    let under = format!("tap,id=under,ifname=under,script=no,downscript=no,queues={QUEUE_PAIRS}");
    command.args(["-machine", "q35,accel=tcg", "-cpu", "max", "-smp", "2", "-m", "1536"]);
    command.args(["-nodefaults", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot"]);
    command.args(["-netdev", &under, "-device", "virtio-net-pci,netdev=under,mq=on,vectors=10,romfile=,addr=4"]);
    command.args(["-netdev", "tap,id=sender,ifname=sender,script=no,downscript=no"]);
    command.args(["-device", "virtio-net-pci,netdev=sender,romfile=,addr=5"]);
    command
}

/// The root file system: this program as the first process, the tests, what they start, drivers.
fn image(kernel: &Kernel, files: &Path, tests: &Tests) -> Result<Vec<u8>> {
    let mut image = Image::default();
    for folder in ["/proc", "/sys", "/dev", "/run", "/tmp"] {
        image.folder(folder);
    }
    // Whatever cargo has put in the place of this program's file since it was started.
    let own = work_folder().join("init");
    fs::copy("/proc/self/exe", &own).with_context(|| format!("cannot write {}", own.display()))?;
    image.program(INIT, &own)?;
    for program in PROGRAMS {
        let found = programs::find(program).with_context(|| format!("{program} is not installed"))?;
        image.program(&format!("/bin/{program}"), &found)?;
    }
    image.program(&tests.collector.to_string_lossy(), &tests.collector)?;
    let chosen: &[(&str, &str)] = match kernel.expected {
        Expected::Runs => &CHOSEN,
        Expected::Refuses => &CHOSEN_FOR_REFUSAL,
    };
    let mut plan = String::new();
    for (target, arguments) in chosen {
        let program = tests.programs.iter().find(|(name, _)| name == target).context("a target was not built")?;
        image.program(&format!("/tests/{target}"), &program.1)?;
        plan.push_str(&format!("/tests/{target} --test-threads=1 {arguments}\n"));
    }
    image.file(PLAN, plan.as_bytes());
    let mut drivers = String::new();
    for name in DRIVER_NAMES {
        let Some(driver) = find(files, &|file| file.split('.').next() == Some(name) && file.contains(".ko")) else {
            continue;
        };
        image.file(&format!("/modules/{name}.ko"), &unpacked(&driver)?);
        drivers.push_str(&format!("/modules/{name}.ko\n"));
    }
    image.file(DRIVERS, drivers.as_bytes());
    Ok(image.finish())
}

/// A driver's bytes as the kernel takes them.
fn unpacked(driver: &Path) -> Result<Vec<u8>> {
    let program = match driver.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => return fs::read(driver).with_context(|| format!("cannot read {}", driver.display())),
    };
    let output = Command::new(program).arg("-dc").arg(driver).output().with_context(|| format!("start {program}"))?;
    ensure!(output.status.success(), "{program} cannot unpack {}", driver.display());
    Ok(output.stdout)
}

/// The first file below `folder` with such a name.
fn find(folder: &Path, is_wanted: &dyn Fn(&str) -> bool) -> Option<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries.iter().find_map(|path| {
        if path.is_dir() && !path.is_symlink() {
            return find(path, is_wanted);
        }
        is_wanted(&path.file_name()?.to_string_lossy()).then(|| path.clone())
    })
}

fn work_folder() -> PathBuf {
    programs::target_folder().join("kernels")
}

/// QEMU, which ends with this value.
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ends a machine that hangs: its console ends then, too.
struct Watchdog(Arc<AtomicBool>);

impl Watchdog {
    fn start(qemu: &Qemu) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (process, seen) = (qemu.0.id().cast_signed(), Arc::clone(&is_over));
        std::thread::spawn(move || {
            let started = Instant::now();
            while started.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(500));
                if seen.load(Ordering::Relaxed) {
                    return;
                }
            }
            eprintln!("the machine hangs: it is switched off");
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), nix::sys::signal::Signal::SIGKILL);
        });
        Self(is_over)
    }

    fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop();
    }
}
