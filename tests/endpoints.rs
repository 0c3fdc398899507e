//! Two foreign MTAs of ours over real sockets: sizes, associations, content and order.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use p1relay::endpoint::receive::Receiver;
use p1relay::endpoint::send::{Sender, Source};
use p1relay::endpoint::template::{Template, TemplateConfig};
use p1relay::endpoint::{Endpoint, EndpointConfig};
use p1relay::io::Engine;
use p1relay::io::epoll::Epoll;
use p1relay::osi::stack::StackConfig;
use p1relay::p1::scan::Priority;

fn config(name: &str, partner: &str, call: Option<(SocketAddr, usize)>) -> EndpointConfig {
    EndpointConfig {
        local: (name.to_owned(), format!("{name} password")),
        remote: Some((partner.to_owned(), format!("{partner} password"))),
        stack: Arc::new(StackConfig::default()),
        call,
        retry_delay: Duration::from_millis(50),
    }
}

fn exchange(text_size: usize, count: u64, associations: usize) -> (Sender, Receiver) {
    let mut receiver =
        Endpoint::new(Epoll::new().unwrap(), config("B", "A", None), Receiver::new(Some(count)));
    let (_, address) = receiver.listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let sending = std::thread::spawn(move || {
        let engine = Epoll::new().unwrap();
        let wall = engine.now().wall;
        let template = Template::new(
            &TemplateConfig {
                domain: "C=GB;A=CARRIER;P=ACME".parse().unwrap(),
                originator: "C=GB;A=CARRIER;P=ACME;S=SMITH".parse().unwrap(),
                recipients: vec!["C=FR;A=OTHER;P=DEST;S=DURAND".parse().unwrap()],
                priority: Priority::Normal,
                text_size,
                subject: "test".to_owned(),
                incarnation: 1,
                sender: 0,
            },
            wall,
        )
        .unwrap();
        let sender = Sender::new(Source::Template(Box::new(template)), count, None);
        let mut endpoint =
            Endpoint::new(engine, config("A", "B", Some((address, associations))), sender);
        let deadline = endpoint.engine().now().instant + Duration::from_secs(30);
        assert!(endpoint.run(Some(deadline)).unwrap(), "{:?}", endpoint.script.notes);
        endpoint.script
    });
    let deadline = receiver.engine().now().instant + Duration::from_secs(30);
    assert!(receiver.run(Some(deadline)).unwrap(), "{:?}", receiver.script.notes);
    (sending.join().unwrap(), receiver.script)
}

#[test]
fn small_and_large_messages_arrive_once() {
    for (text_size, count, associations) in
        [(0, 10, 1), (2048, 500, 4), (65_535, 20, 2), (4 << 20, 3, 1)]
    {
        let (sender, receiver) = exchange(text_size, count, associations);
        assert_eq!(sender.confirmed_count(), count);
        assert_eq!(
            (receiver.distinct_count(), receiver.duplicate_count, receiver.malformed_count),
            (count, 0, 0)
        );
        assert_eq!((sender.in_doubt.len(), sender.notes.len(), receiver.notes.len()), (0, 0, 0));
        assert_eq!(receiver.latency_ns.len(), count);
    }
}
