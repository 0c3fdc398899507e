//! What the tests share: the relay as a process, MTAs that call it and are called, a recording proxy,
//! captures, and APDUs to send.

pub(crate) mod apdu;
pub(crate) mod capture;
pub(crate) mod partner;
pub(crate) mod proxy;
pub(crate) mod relay;

use std::time::{Duration, Instant};

/// Makes a test of each function, which takes the engine's name, on each engine. One that cannot be had
/// fails its tests.
macro_rules! on_each_engine {
    ($($name:ident),+ $(,)?) => {
        mod epoll {
            $(#[test]
            fn $name() {
                super::$name("epoll");
            })+
        }

        mod uring {
            $(#[test]
            fn $name() {
                super::$name("uring");
            })+
        }
    };
}
pub(crate) use on_each_engine;

/// How long anything that must happen may take on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds; fails with `what` when it does not within [`PATIENCE`].
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
