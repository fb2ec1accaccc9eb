//! How many workers there are, and how many sockets a queue gets so that every worker has one.

/// Where nobody says how many workers there are, one in this many cores gets one: the rest is for inserting and the machine.
const CORES_PER_WORKER: usize = 2;

/// The number of workers: as configured, or one for each receive queue of the interface that has the most (`None` without an
/// interface), at most half of the usable cores, at least one.
#[must_use]
pub fn workers(configured: Option<usize>, most_queues: Option<u32>, usable_cores: usize) -> usize {
    let most = usable_cores / CORES_PER_WORKER;
    configured.unwrap_or_else(|| most_queues.map_or(most, |queues| most.min(queues as usize))).max(1)
}

/// AF_XDP sockets that share each queue of an interface, so that its queues together feed all workers.
#[must_use]
pub fn sockets_per_queue(workers: usize, queues: u32) -> u32 {
    u32::try_from(workers).unwrap_or(u32::MAX).div_ceil(queues.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_follow_queues_and_cores() {
        for (configured, queues, cores, expected) in [
            (None, None, 2, 1),
            (None, None, 8, 4),
            (None, Some(1), 8, 1),
            (None, Some(64), 8, 4),
            (None, Some(64), 1, 1),
            (Some(3), Some(1), 2, 3),
            (Some(0), None, 8, 1),
        ] {
            assert_eq!(workers(configured, queues, cores), expected, "{configured:?} {queues:?} {cores}");
        }
    }

    #[test]
    fn queues_feed_every_worker() {
        for (workers, queues, expected) in [(1, 1, 1), (3, 1, 3), (2, 64, 1), (5, 2, 3), (1, 0, 1)] {
            assert_eq!(sockets_per_queue(workers, queues), expected, "{workers} workers, {queues} queues");
        }
    }
}
