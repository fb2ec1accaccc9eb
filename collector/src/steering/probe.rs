//! Tries out what XDP would get on an interface, and what it would take there.

use std::time::Duration;

use super::{Attach, Error, Mode, Own, Recipients, Settings, Spread, Steering, Verdicts};
use crate::front_door::Rules;

/// What XDP would get on an interface, found by trying.
#[derive(Debug)]
pub struct Probe {
    /// The best mode that works, or why none does.
    pub mode: Result<Mode, Error>,
    /// Why the mode is not native.
    pub native_refused: Option<Error>,
    /// Whose datagrams would be taken; none where that is everybody's.
    pub own: Option<Own>,
    /// What the program met meanwhile.
    pub verdicts: Verdicts,
}

/// Loads the program, attaches it in the best mode there is, looks for `duration` at what comes to `ports`, and detaches it again;
/// without sockets it passes every frame on.
///
/// Some drivers reset their queues for this, so a busy interface may lose frames for a moment.
#[must_use]
pub fn probe(interface: &str, ports: &[u16], recipients: Recipients, duration: Duration) -> Probe {
    let settings = Settings {
        interface: interface.to_owned(),
        ports: ports.to_vec(),
        recipients,
        attach: Attach::Auto,
        sockets_per_queue: 1,
        queues: 1,
        spread: Spread::ByExporter,
        frame_bytes_max: 0,
        rules: Rules::default(),
        exporters: 1,
    };
    match Steering::attach(&settings) {
        Ok(mut steering) => {
            std::thread::sleep(duration);
            Probe {
                mode: Ok(steering.mode),
                native_refused: steering.native_refused.take(),
                own: steering.own().cloned(),
                verdicts: steering.verdicts().unwrap_or_default(),
            }
        }
        Err(error) => Probe { mode: Err(error), native_refused: None, own: None, verdicts: Verdicts::default() },
    }
}
