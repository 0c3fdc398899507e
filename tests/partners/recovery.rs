//! A connection that is cut anywhere in a transfer of 1 MiB: the message arrives once, and little of it
//! travels again. Every TPKT boundary is one, and the middle of every TPKT; among them every checkpoint, and
//! the middle of the confirmation of the activity's end.

use p1relay::endpoint::fault::Fault;
use p1relay::osi::stack::ApplicationContext;

use crate::link::Cut;
use crate::network::{CHECKPOINT_SIZE, Scenario, TEXT_SIZE, Told, WINDOW_SIZE, Where, run};

/// What establishing one more association and resuming on it takes, octets, at most.
const ESTABLISHMENT_SIZE: u64 = 1024;

/// What may travel again.
const AGAIN_SIZE: u64 = ((WINDOW_SIZE + 1) * CHECKPOINT_SIZE) as u64;

/// Cuts before every TPKT, and in its middle.
fn cut_everywhere(
    place: Where,
    context: ApplicationContext,
    fault: Option<Fault>,
    check: impl Fn(&Scenario, &Told, &Told),
) {
    let whole = run(Scenario { place, context, cut: None, fault });
    assert_eq!((whole.arrival_count, whole.connection_count), (1, 1));
    assert!(whole.intact && whole.octets > TEXT_SIZE as u64);
    for half in [false, true] {
        for packets in 0.. {
            let scenario = Scenario { place, context, cut: Some(Cut { packets, half }), fault };
            let told = run(scenario);
            if !told.is_cut {
                // Data, checkpoints and their confirmations.
                assert!(packets > 3 * (TEXT_SIZE / CHECKPOINT_SIZE), "{packets} cuts");
                break;
            }
            assert!(told.intact, "{scenario:?}");
            check(&scenario, &told, &whole);
        }
    }
}

fn arrives_once_and_little_of_it_again(scenario: &Scenario, told: &Told, whole: &Told) {
    assert_eq!((told.arrival_count, told.in_doubt), (1, 0), "{scenario:?}: {told:?}");
    let again = told.octets.saturating_sub(whole.octets);
    assert!(again <= AGAIN_SIZE + ESTABLISHMENT_SIZE, "{scenario:?}: {again} octets came again");
}

/// A test for each link and application context.
macro_rules! cut_everywhere {
    ($($name:ident: $place:ident, $context:ident;)*) => {$(
        #[test]
        fn $name() {
            let (place, context) = (Where::$place, ApplicationContext::$context);
            cut_everywhere(place, context, None, arrives_once_and_little_of_it_again);
        }
    )*};
}

cut_everywhere! {
    normal_mode_between_relays: BetweenRelays, MtsTransfer;
    normal_mode_from_an_endpoint: BeforeRelay, MtsTransfer;
    normal_mode_to_an_endpoint: BehindRelay, MtsTransfer;
    x410_mode_between_relays: BetweenRelays, MtsTransferProtocol;
    x410_mode_from_an_endpoint: BeforeRelay, MtsTransferProtocol;
    x410_mode_to_an_endpoint: BehindRelay, MtsTransferProtocol;
    x410_mode_of_1984_between_relays: BetweenRelays, MtsTransferProtocol1984;
    x410_mode_of_1984_from_an_endpoint: BeforeRelay, MtsTransferProtocol1984;
    x410_mode_of_1984_to_an_endpoint: BehindRelay, MtsTransferProtocol1984;
    normal_mode_on_the_association_of_the_receiving_relay: BeforeRelayTwoWay, MtsTransfer;
    normal_mode_on_the_association_of_the_receiving_endpoint: BehindRelayTwoWay, MtsTransfer;
    x410_mode_on_the_association_of_the_receiving_relay: BeforeRelayTwoWay, MtsTransferProtocol;
    x410_mode_on_the_association_of_the_receiving_endpoint: BehindRelayTwoWay, MtsTransferProtocol;
}

/// The partner recovers no association: the transfer is resumed on an ordinary one.
#[test]
fn a_partner_that_recovers_no_association_still_resumes_transfers() {
    for context in ApplicationContext::ALL {
        let fault = Some(Fault::NoRecovery);
        cut_everywhere(Where::BehindRelay, context, fault, |scenario, told, whole| {
            arrives_once_and_little_of_it_again(scenario, told, whole);
            // Refused, and called again; unless nothing was worth to be recovered.
            assert!((2..=3).contains(&told.connection_count), "{scenario:?}: {told:?}");
        });
    }
}

/// The partner knows nothing of what it had: the message is transferred anew. Only where the end was sent, and
/// the partner has forgotten that it took the message, it arrives twice, and that is counted.
#[test]
fn a_partner_that_has_forgotten_gets_the_message_anew() {
    for context in ApplicationContext::ALL {
        let fault = Some(Fault::Forget);
        cut_everywhere(Where::BehindRelay, context, fault, |scenario, told, whole| {
            // What broke off, what was resumed until the partner refused it, and all of it anew.
            let most = 2 * whole.octets + AGAIN_SIZE + ESTABLISHMENT_SIZE;
            assert!(told.octets <= most, "{scenario:?}: {told:?}");
            let again = told.arrival_count as u64 - 1;
            assert!(again <= told.in_doubt && told.in_doubt <= 1, "{scenario:?}: {told:?}");
        });
    }
}
