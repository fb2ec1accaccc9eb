//! The settings of each part, made of the configuration, so that no part has to know the configuration.

use super::meant::{Capture, ClickHouse, Config, Exporter, Journal, Names, Templates};
use super::written::{Attach, Bind, Compression, Spread};
use crate::clickhouse::{Destination, client, sink};
use crate::prefix::Prefix;
use crate::{dictionaries, enrich, journal, steering, store, templates, xsk};

impl Config {
    /// Settings of the ClickHouse client: the server that was named, or the embedded store.
    #[must_use]
    pub fn client(&self) -> client::Settings {
        let ClickHouse { url, cluster, database, user, password, ca_file, .. } = &self.clickhouse;
        client::Settings {
            url: url.clone().unwrap_or_else(|| format!("http://{}", self.store.listen)),
            cluster: cluster.clone(),
            database: database.clone(),
            user: user.clone(),
            password: password.reveal().to_owned(),
            compression: match self.clickhouse.compression {
                Compression::Lz4 => client::Compression::Lz4,
                Compression::None => client::Compression::None,
            },
            ca_file: ca_file.clone(),
            connect_timeout: self.clickhouse.connect_timeout,
            request_timeout: self.clickhouse.request_timeout,
        }
    }

    /// Settings for every server, by shard.
    #[must_use]
    pub fn clients(&self) -> Vec<Vec<client::Settings>> {
        let one = self.client();
        let of = |url: &String| client::Settings { url: url.clone(), ..one.clone() };
        let shards: Vec<Vec<_>> = self.clickhouse.shards.iter().map(|urls| urls.iter().map(of).collect()).collect();
        if shards.is_empty() { vec![vec![one]] } else { shards }
    }

    /// Settings of the sink.
    #[must_use]
    pub fn sink(&self) -> sink::Settings {
        let ClickHouse { pending_rows, pending_bytes, inserters, discard, .. } = self.clickhouse;
        let destination = if discard { Destination::Nowhere } else { Destination::ClickHouse };
        let lock_file = Some(self.state_dir.join("inserting.lock"));
        let shards = self.clickhouse.shards.clone();
        sink::Settings { pending_rows, pending_bytes, inserters, destination, shards, lock_file }
    }

    /// Settings of the embedded store as a child of this process, which ends with it.
    #[must_use]
    pub fn embedded(&self) -> store::Settings {
        let password = self.clickhouse.password.reveal();
        store::Settings {
            data_dir: self.store.data.clone(),
            listen: self.store.listen,
            library: self.store.library.clone(),
            database: self.clickhouse.database.clone(),
            user: Some(self.clickhouse.user.clone()),
            password: Some(password.to_owned()).filter(|password| !password.is_empty()),
            connections: self.store.connections,
            memory_bytes: self.store.memory_bytes,
            until_stdin_closes: true,
        }
    }

    /// Names of exporters.
    #[must_use]
    pub fn names(&self) -> enrich::Names {
        enrich::Names::new(self.exporters.iter().filter_map(|exporter| Some((exporter.prefix, exporter.name.clone()?))))
    }

    /// The names of exporters, each with its prefix.
    #[must_use]
    pub fn exporter_names(&self) -> Vec<(Prefix, String)> {
        self.exporters.iter().filter_map(|exporter| Some((exporter.prefix, exporter.name.clone()?))).collect()
    }

    /// Names for the tables that dictionaries are made from.
    #[must_use]
    pub fn dictionaries(&self) -> dictionaries::Settings {
        let Names { as_names, protocols, ports, interfaces } = self.names_files.clone();
        let exporter = |exporter: &Exporter| dictionaries::Exporter {
            prefix: exporter.prefix,
            name: exporter.name.clone().unwrap_or_default(),
            site: exporter.site.clone(),
            interfaces: exporter.interfaces.clone(),
        };
        let exporters = self.exporters.iter().map(exporter).collect();
        let networks = self.networks.clone();
        dictionaries::Settings { as_names, protocols, ports, interfaces, networks, exporters }
    }

    /// Configured sampling rates.
    #[must_use]
    pub fn sampling_rates(&self) -> enrich::SamplingRates {
        let rates = self.exporters.iter().filter_map(|exporter| Some((exporter.prefix, exporter.sampling.clone()?)));
        enrich::SamplingRates::new(rates)
    }
}

impl Capture {
    /// Whose datagrams are taken on an interface.
    #[must_use]
    pub fn recipients(&self, interface: &str) -> steering::Recipients {
        if self.mirror.iter().any(|name| name == interface) {
            return steering::Recipients::Everybody;
        }
        steering::Recipients::Ours { listen: self.udp_address, addresses: self.addresses.clone() }
    }
}

impl Journal {
    /// Settings of the journal in the directory `name` of all journals.
    #[must_use]
    pub fn of(&self, name: &str) -> journal::Settings {
        journal::Settings {
            directory: self.directory.join(name),
            segment_bytes: self.segment_bytes,
            budget_bytes: self.budget_bytes,
            retain_bytes: self.retain_bytes,
            retain: self.retain,
            durability: self.durability,
        }
    }
}

impl Templates {
    /// Settings of the template store; what is not configurable is as it is by default.
    #[must_use]
    pub fn store(&self) -> templates::Settings {
        let default = templates::Settings::default();
        templates::Settings {
            per_exporter: templates::Bounds { templates: self.max_per_exporter, ..default.per_exporter },
            total: templates::Bounds { templates: self.max_total, ..default.total },
            held: self.held,
            ..default
        }
    }
}

impl From<Attach> for steering::Attach {
    fn from(written: Attach) -> Self {
        match written {
            Attach::Auto => Self::Auto,
            Attach::Native => Self::Native,
            Attach::Generic => Self::Generic,
        }
    }
}

impl From<Bind> for xsk::Bind {
    fn from(written: Bind) -> Self {
        match written {
            Bind::Auto => Self::Auto,
            Bind::ZeroCopy => Self::ZeroCopy,
            Bind::Copy => Self::Copy,
        }
    }
}

impl From<Spread> for steering::Spread {
    fn from(written: Spread) -> Self {
        match written {
            Spread::ByExporter => Self::ByExporter,
            Spread::RoundRobin => Self::RoundRobin,
        }
    }
}
