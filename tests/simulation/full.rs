//! A log that is full of messages which only their reports can free.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use p1relay::io::simulated::{Disk, World, WorldConfig};
use p1relay::shard::solo::Solo;

use super::{IDENTITY, Ledger, Source, address, connector, endpoint, relay};

/// More than the log has room for.
const COUNT: u64 = 1000;

/// The only partner is down. What fills the log expires, the reports on it go out, and what the log had no
/// room for comes in, expires and is reported too; on a bounded log and on a disk that is full.
#[test]
fn reports_come_out_of_a_full_log_and_make_room_again() {
    for capacity in [None, Some(42 + (5 * (256 << 10)))] {
        let mut settings = relay(
            "RELAY",
            "C=GB;A=RELAY",
            address(1),
            vec![
                connector("RELAY", "SOURCE", Some(address(4)), "C=GB;A=SOURCE"),
                connector("RELAY", "SINK", Some(address(3)), "C=FR"),
            ],
        );
        settings.segment_size = 256 << 10;
        settings.segment_count_max = if capacity.is_some() { 64 } else { 5 };
        settings.policy.expiry.normal = Duration::from_secs(10);
        let world = World::new(WorldConfig::new(3));
        let ledger = Rc::new(RefCell::new(Ledger::default()));
        let disk = Disk::new();
        disk.set_capacity(capacity);
        let mut relay = Solo::open(world.engine_on(&disk), settings, IDENTITY).unwrap();
        let mut script = Source::to(&["C=FR;A=SINK;S=DURAND"], &world, &ledger, COUNT);
        script.stays = true;
        let mut source = endpoint(&world, "SOURCE", "RELAY", Some((address(1), 2)), script);
        source.listen(address(4)).unwrap();
        let mut most_queued = 0;
        while (ledger.borrow().reports.len() as u64) < COUNT {
            source.turn(None).unwrap();
            assert!(relay.turn().unwrap());
            let counters = relay.counters();
            most_queued = most_queued.max(counters.queued);
            let seconds = world.now().instant.0 / 1_000_000_000;
            assert!(seconds < 400, "{capacity:?}: {counters:?}");
            assert!(world.advance());
        }
        assert!(most_queued < COUNT, "the log was never full");
        let counters = relay.counters();
        assert_eq!((counters.expired, counters.reports_expired), (COUNT, COUNT), "{counters:?}");
        assert_eq!((counters.deriving, counters.held_unreadable), (0, 0), "{counters:?}");
    }
}
