//! The I/O contract, held against the engines that run on the machine itself.
//!
//! Every test of `contract` runs on each engine; those of `ring` are the hazards of io_uring alone. An engine that cannot be had fails its tests.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which may fail by panicking")]

#[path = "drivers/allocations.rs"]
mod allocations;
#[path = "drivers/contract.rs"]
mod contract;
#[path = "drivers/driver.rs"]
mod driver;
#[path = "drivers/ring.rs"]
mod ring;

macro_rules! on_each_engine {
    ($($test:ident),* $(,)?) => {
        mod epoll {
            fn engine() -> p1relay::io::epoll::Epoll {
                p1relay::io::epoll::Epoll::new().unwrap()
            }

            $(#[test]
            fn $test() {
                crate::contract::$test(engine);
            })*
        }

        mod uring {
            $(#[test]
            fn $test() {
                crate::contract::$test(crate::ring::engine);
            })*
        }
    };
}

on_each_engine!(
    echoes_every_size,
    carries_many_pieces_between_its_own_sockets,
    takes_connections_on_a_port_of_the_kernels_choice_and_shares_it,
    a_flood_does_not_starve_a_neighbour,
    runs_dry_and_goes_on_when_buffers_are_back,
    both_connections_go_on_after_running_dry,
    buffers_given_back_on_another_thread_are_noticed,
    pauses_and_resumes,
    an_end_behind_octets_is_seen_and_sending_goes_on,
    a_socket_changes_engines_without_losing_an_octet,
    detaching_waits_for_the_send_under_way,
    closing_ends_everything_and_is_last,
    a_reset_is_an_error_and_the_socket_can_be_closed,
    a_refused_connection_is_an_error,
    closing_a_listener_ends_accepting,
    stale_handles_are_refused,
    a_second_send_is_refused,
    writes_durably_and_reads_back,
    refuses_what_is_not_whole_blocks,
    makes_files,
    keeps_small_files_and_directories,
    wakes_from_a_thread,
    wakes_from_engine_to_engine,
    keeps_deadlines,
    counts,
    allocates_nothing_by_the_operation,
);
