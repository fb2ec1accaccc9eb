//! What changes while the collector runs, when its configuration is read again (SIGHUP).
//!
//! [`Live::apply`] is the one place where a new configuration reaches running parts. A part that learns to change its settings
//! gets its handle in [`Live`] and its line there, and its keys in `config::written::LIVE`.

use crate::config::{Config, ConfigError};
use crate::dictionaries::Keeper;
use crate::enrich::{Names, Networks, Published, PublishedRates};
use crate::front_door::FrontDoor;
use crate::steering;

use super::interface::Interface;

/// Reads the configuration again: the same file, the same flags above it.
pub type Reread<'r> = &'r dyn Fn() -> Result<Config, ConfigError>;

/// Handles to the parts that change.
pub(super) struct Live {
    pub(super) front_door: FrontDoor,
    pub(super) names: Published<Names>,
    pub(super) networks: Published<Networks>,
    pub(super) rates: PublishedRates,
    /// None where nothing is stored.
    pub(super) dictionaries: Option<Keeper>,
}

impl Live {
    /// Reads the configuration again and puts in force what can change. If it cannot be used, that is logged and nothing
    /// changes.
    pub(super) fn reload(&self, reread: Reread<'_>, in_force: &mut Config, interfaces: &mut [Interface]) {
        let config = match reread() {
            Ok(config) => config,
            Err(error) => {
                tracing::error!(%error, "the configuration was not reloaded: everything stays as it was");
                return;
            }
        };
        if let Err(error) = self.apply(&config, interfaces) {
            tracing::error!(%error, "the configuration was reloaded in part: correct it and reload again");
            return;
        }
        let restart = in_force.written.changed_for_restart(&config.written);
        // What waits for a restart is told at every reload until then.
        in_force.front_door = config.front_door;
        in_force.exporters = config.exporters;
        in_force.capture.addresses = config.capture.addresses;
        if restart.is_empty() {
            tracing::info!("reloaded the configuration");
        } else {
            tracing::warn!(keys = restart.join(", "), "reloaded the configuration; these keys wait for a restart");
        }
    }

    fn apply(&self, config: &Config, interfaces: &mut [Interface]) -> Result<(), steering::Error> {
        let rules = config.rules();
        for interface in interfaces {
            interface.steering.set_rules(&rules)?;
            interface.steering.set_addresses(&config.capture.addresses)?;
        }
        self.front_door.replace(rules);
        self.names.replace(config.names());
        self.networks.replace(config.networks.clone());
        self.rates.replace(config.sampling_rates());
        if let Some(dictionaries) = &self.dictionaries {
            dictionaries.replace(config.dictionaries());
        }
        Ok(())
    }
}
