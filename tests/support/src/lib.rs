//! What the tests share: the relay as a process, MTAs that call it and are called, a recording proxy,
//! captures, APDUs to send, and judges that share no code with the library.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

pub mod apdu;
pub mod capture;
pub mod differ;
pub mod mta;
pub mod partner;
pub mod port;
pub mod proxy;
pub mod random;
pub mod relay;
pub mod tree;

use std::time::{Duration, Instant};

/// Makes a test of each function, which takes the engine's name, on each engine. One that cannot be had
/// fails its tests.
#[macro_export]
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

/// How long anything that must happen may take on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds; fails with `what` when it does not within [`PATIENCE`].
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
