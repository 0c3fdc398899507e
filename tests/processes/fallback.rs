//! Where io_uring cannot be had: the demo under a seccomp filter, without any privilege.

use std::io;
use std::os::unix::process::CommandExt;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::support::{Finished, finish, program};

fn demo(io: &str, refusal: Option<rustix::io::Errno>) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program();
    command.args(["demo", "--messages", "50", "--timeout-s", "60", "--io", io]);
    command.env("TMPDIR", folder.path());
    if let Some(errno) = refusal {
        let filter = SeccompFilter::new(
            [(libc::SYS_io_uring_setup, Vec::new())].into(),
            SeccompAction::Allow,
            SeccompAction::Errno(errno.raw_os_error() as u32),
            std::env::consts::ARCH.try_into().unwrap(),
        );
        let filter: BpfProgram = filter.unwrap().try_into().unwrap();
        let apply = move || {
            // It sets no_new_privs first, as an unprivileged process must.
            seccompiler::apply_filter(&filter).map_err(|_| io::Error::last_os_error())
        };
        // SAFETY: between fork and exec only two system calls are made, and no memory is allocated.
        unsafe { command.pre_exec(apply) };
    }
    finish(command)
}

#[track_caller]
fn assert_each_relay_says(finished: &Finished, said: &str) {
    assert_eq!(finished.code, Some(0), "{}{}", finished.output, finished.errors);
    let relays = finished.output.lines().filter(|line| line.contains(said)).count();
    assert_eq!(relays, 4, "{said:?} in {}", finished.output);
}

fn falls_back(errno: rustix::io::Errno, text: &str) {
    let finished = demo("auto", Some(errno));
    assert_each_relay_says(&finished, &format!(" io epoll (io_uring_setup: {text} "));
    let finished = demo("uring", Some(errno));
    assert_eq!(finished.code, Some(1));
    let reason = format!("io = \"uring\" was asked for: io_uring_setup: {text} ");
    assert!(finished.errors.contains(&reason), "{}", finished.errors);
    assert!(finished.errors.contains("write io = \"auto\""), "{}", finished.errors);
}

#[test]
fn refused_by_policy() {
    falls_back(rustix::io::Errno::PERM, "Operation not permitted");
}

#[test]
fn unknown_to_the_kernel() {
    falls_back(rustix::io::Errno::NOSYS, "Function not implemented");
}

#[test]
fn without_a_filter_it_is_used() {
    assert_each_relay_says(&demo("auto", None), " io uring (");
}
