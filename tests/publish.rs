//! A new routing table is swapped in while traffic flows: nothing is lost, what comes after goes the new
//! way, and what only a restart can change is refused whole.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use p1relay::config;
use p1relay::endpoint::receive::Receiver;
use p1relay::endpoint::send::{Sender, Source};
use p1relay::endpoint::template::{Template, TemplateConfig};
use p1relay::endpoint::{Endpoint, EndpointConfig};
use p1relay::io::Engine;
use p1relay::io::epoll::Epoll;
use p1relay::osi::stack::StackConfig;
use p1relay::p1::scan::Priority;
use p1relay::shard::node::{Node, NodeError};

fn endpoint_config(name: &str, call: Option<SocketAddr>) -> EndpointConfig {
    EndpointConfig {
        local: (name.to_owned(), String::new()),
        remote: None,
        stack: Arc::new(StackConfig::default()),
        call: call.map(|address| (address, 2)),
        retry_delay: Duration::from_millis(50),
    }
}

/// A receiving MTA that ends when told to; gives how many messages came.
fn sink(name: &'static str, stop: &Arc<AtomicBool>) -> (SocketAddr, JoinHandle<u64>) {
    let (told, address) = std::sync::mpsc::channel();
    let stop = Arc::clone(stop);
    let thread = std::thread::spawn(move || {
        let mut endpoint =
            Endpoint::new(Epoll::new().unwrap(), endpoint_config(name, None), Receiver::new(None));
        told.send(endpoint.listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap().1).unwrap();
        loop {
            let soon = endpoint.engine().now().instant + Duration::from_millis(20);
            if endpoint.run(Some(soon)).unwrap() {
                return endpoint.script.distinct_count();
            }
            if stop.load(Ordering::Relaxed) {
                endpoint.script.stop();
            }
        }
    });
    (address.recv().unwrap(), thread)
}

fn send(to: SocketAddr, sender: u16, count: u64) {
    let engine = Epoll::new().unwrap();
    let config = TemplateConfig {
        domain: "C=GB;A=SOURCE".parse().unwrap(),
        originator: "C=GB;A=SOURCE;S=SMITH".parse().unwrap(),
        recipients: vec!["C=FR;A=SOMEWHERE;S=DURAND".parse().unwrap()],
        priority: Priority::Normal,
        text_size: 500,
        subject: "swap".to_owned(),
        incarnation: 1,
        sender,
    };
    let template = Template::new(&config, engine.now().wall).unwrap();
    let script = Sender::new(Source::Template(Box::new(template)), count, None);
    let mut endpoint = Endpoint::new(engine, endpoint_config("SOURCE", Some(to)), script);
    let deadline = endpoint.engine().now().instant + Duration::from_secs(30);
    assert!(endpoint.run(Some(deadline)).unwrap(), "{:?}", endpoint.script.notes);
}

fn configuration(first: SocketAddr, second: SocketAddr, costs: [u8; 2]) -> String {
    let [first_cost, second_cost] = costs;
    format!(
        "[mta]\nname = \"RELAY\"\ndomain = \"C=GB;A=RELAY\"\nlisten = [\"127.0.0.1:0\"]\nshards = 2\npin = false\n\
         segment_size_mib = 4\n\
         [[connector]]\nname = \"source\"\nremote_mta_name = \"SOURCE\"\n\
         [[connector]]\nname = \"first\"\naddress = [\"{first}\"]\nremote_mta_name = \"FIRST\"\n\
         address_space = [{{ pattern = \"C=FR\", cost = {first_cost} }}]\n\
         [[connector]]\nname = \"second\"\naddress = [\"{second}\"]\nremote_mta_name = \"SECOND\"\n\
         address_space = [{{ pattern = \"C=FR\", cost = {second_cost} }}]\n"
    )
}

#[test]
fn a_published_table_takes_over_between_two_messages() {
    let folder = tempfile::tempdir().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (first, first_sink) = sink("FIRST", &stop);
    let (second, second_sink) = sink("SECOND", &stop);
    let settings =
        |costs, folder: &Path| config::check(&configuration(first, second, costs), folder).unwrap();
    let node = Node::start(settings([10, 20], folder.path())).unwrap();
    let to = node.addresses[0];

    send(to, 1, 200);
    assert_eq!(node.publish(settings([20, 10], folder.path())).unwrap(), 2);
    send(to, 2, 300);
    for swap in 0..50 {
        let costs = if swap % 2 == 0 { [10, 20] } else { [20, 10] };
        node.publish(settings(costs, folder.path())).unwrap();
        if swap == 10 {
            send(to, 3, 100);
        }
    }
    let other = config::check(
        &configuration(first, second, [1, 2]).replace("\"first\"", "\"third\""),
        folder.path(),
    );
    assert!(matches!(node.publish(other.unwrap()), Err(NodeError::NeedsRestart)));

    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while node.counters().transfers_out < 600 {
        assert!(std::time::Instant::now() < deadline, "{:?}", node.counters());
        std::thread::sleep(Duration::from_millis(10));
    }
    node.stopper()();
    assert_eq!(node.join().unwrap().transfers_in, 600);
    stop.store(true, Ordering::Relaxed);
    let (first, second) = (first_sink.join().unwrap(), second_sink.join().unwrap());
    assert_eq!(first + second, 600);
    assert!(first >= 200 && second >= 300, "{first} went the first way, {second} the second");
}
