//! Random MTS-APDUs from a seed, by way of the schema.

use p1relay::p1::schema::*;
use rasn::prelude::*;

/// A small generator (splitmix64): the same seed gives the same APDU everywhere.
pub struct Random(pub u64);

impl Random {
    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound as u64) as usize
    }

    /// True once in `of` times.
    pub fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    /// Puts them into any order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.below(index + 1));
        }
    }

    fn option<T>(&mut self, make: impl FnOnce(&mut Random) -> T) -> Option<T> {
        self.chance(2).then(|| make(self))
    }

    fn text(&mut self, size_max: usize) -> String {
        const CHARACTERS: &[u8] = b"ABCXYZabcxyz0189 '()+,-./:=?";
        let size = 1 + self.below(size_max);
        (0..size).map(|_| char::from(CHARACTERS[self.below(CHARACTERS.len())])).collect()
    }

    fn printable(&mut self, size_max: usize) -> PrintableString {
        self.text(size_max).try_into().expect("printable characters")
    }

    fn ia5(&mut self, size_max: usize) -> Ia5String {
        self.text(size_max).try_into().expect("IA5 characters")
    }

    fn numeric(&mut self, size_max: usize) -> NumericString {
        let digits: String =
            (0..=self.below(size_max)).map(|_| char::from(b'0' + self.below(10) as u8)).collect();
        digits.try_into().expect("digits")
    }

    fn name(&mut self, size_max: usize) -> DomainName {
        if self.chance(4) {
            DomainName::Numeric(self.numeric(size_max))
        } else {
            DomainName::Printable(self.printable(size_max))
        }
    }

    fn time(&mut self) -> rasn::types::UtcTime {
        let seconds = 946_684_800 + self.below(1_500_000_000) as i64;
        rasn::types::UtcTime::from_timestamp(seconds, 0).expect("a time")
    }

    /// Bits of 8 to 16, the first octet as wanted.
    fn bits(&mut self, first: u8) -> BitString {
        let octets = [first, self.number() as u8];
        let mut bits = BitString::from_slice(&octets);
        bits.truncate(8 + self.below(9));
        bits
    }

    fn domain(&mut self) -> GlobalDomainIdentifier {
        GlobalDomainIdentifier {
            country_name: DomainName::Printable("GB".to_owned().try_into().expect("printable")),
            administration_domain_name: self.name(16),
            private_domain_identifier: self.option(|random| random.name(16)),
        }
    }

    fn mts_identifier(&mut self) -> MtsIdentifier {
        MtsIdentifier { global_domain_identifier: self.domain(), local_identifier: self.ia5(32) }
    }

    /// An O/R name.
    pub fn or_name(&mut self) -> OrName {
        OrName {
            built_in_standard_attributes: BuiltInStandardAttributes {
                country_name: self.option(|random| random.name(3)),
                administration_domain_name: self.option(|random| random.name(16)),
                network_address: self.option(|random| random.numeric(15)),
                terminal_identifier: self.option(|random| random.printable(24)),
                private_domain_name: self.option(|random| random.name(16)),
                organization_name: self.option(|random| random.printable(64)),
                numeric_user_identifier: self.option(|random| random.numeric(32)),
                personal_name: self.option(|random| PersonalName {
                    surname: random.printable(40),
                    given_name: random.option(|random| random.printable(16)),
                    initials: random.option(|random| random.printable(5)),
                    generation_qualifier: random.option(|random| random.printable(3)),
                }),
                organizational_unit_names: self
                    .option(|random| random.list(1, 4, |random| random.printable(32))),
            },
            built_in_domain_defined_attributes: self.option(|random| {
                random.list(1, 4, |random| BuiltInDomainDefinedAttribute {
                    attribute_type: random.printable(8),
                    value: random.printable(128),
                })
            }),
            extension_attributes: self.option(|random| {
                vec![ExtensionAttribute {
                    extension_attribute_type: 1,
                    extension_attribute_value: Any::new(
                        rasn::ber::encode(&random.printable(64)).expect("encodes"),
                    ),
                }]
            }),
            directory_name: self.option(|_| Any::new(vec![0x30, 0x00])),
        }
    }

    fn list<T>(
        &mut self,
        min: usize,
        max: usize,
        mut make: impl FnMut(&mut Random) -> T,
    ) -> Vec<T> {
        let count = min + self.below(max - min + 1);
        (0..count).map(|_| make(self)).collect()
    }

    /// The octets inside `[APPLICATION 5]`.
    fn encoded_information_types(&mut self) -> Any {
        Any::new(vec![0x80, 0x02, 0x05, 0x20])
    }

    fn routing_action(&mut self) -> RoutingAction {
        if self.chance(3) { RoutingAction::Rerouted } else { RoutingAction::Relayed }
    }

    fn other_actions(&mut self) -> BitString {
        let first = self.number() as u8 & 0xc0;
        self.bits(first)
    }

    /// An element of trace-information.
    pub fn trace_element(&mut self) -> TraceInformationElement {
        TraceInformationElement {
            global_domain_identifier: self.domain(),
            domain_supplied_information: DomainSuppliedInformation {
                arrival_time: self.time(),
                routing_action: self.routing_action(),
                attempted_domain: self.option(Random::domain),
                deferred_time: self.option(Random::time),
                converted_encoded_information_types: self.option(Random::encoded_information_types),
                other_actions: self.option(Random::other_actions),
            },
        }
    }

    /// An element of internal-trace-information.
    pub fn internal_trace_element(&mut self) -> InternalTraceInformationElement {
        let attempted_mta = self.option(|random| random.ia5(32));
        let attempted_domain =
            if attempted_mta.is_none() { self.option(Random::domain) } else { None };
        InternalTraceInformationElement {
            global_domain_identifier: self.domain(),
            mta_name: self.ia5(32),
            mta_supplied_information: MtaSuppliedInformation {
                arrival_time: self.time(),
                routing_action: self.routing_action(),
                attempted_mta,
                attempted_domain,
                deferred_time: self.option(Random::time),
                converted_encoded_information_types: self.option(Random::encoded_information_types),
                other_actions: self.option(Random::other_actions),
            },
        }
    }

    /// A type in one of its encodings, with another number than internal trace.
    fn extension_type(&mut self) -> Any {
        let number = 1 + self.below(37) as u8;
        Any::new(match self.below(5) {
            0 => vec![0xa0, 0x03, 0x02, 0x01, number],
            1 => vec![0x80, 0x01, number],
            2 => vec![0xa0, 0x04, 0x06, 0x02, 0x2a, number],
            3 => vec![0x83, 0x02, 0x2a, number],
            _ => vec![0xa3, 0x04, 0x06, 0x02, 0x2a, number],
        })
    }

    fn extension(&mut self) -> ExtensionField {
        ExtensionField {
            extension_type: self.extension_type(),
            criticality: self.option(|random| {
                let first = random.number() as u8 & 0xe0;
                random.bits(first)
            }),
            value: self.option(|random| {
                let octets = OctetString::from(vec![random.number() as u8; random.below(300)]);
                Any::new(rasn::ber::encode(&octets).expect("encodes"))
            }),
        }
    }

    fn internal_trace(&mut self) -> ExtensionField {
        let elements = self.list(1, 4, Random::internal_trace_element);
        let explicit = self.chance(2);
        let extension_type =
            if explicit { vec![0xa0, 0x03, 0x02, 0x01, 38] } else { vec![0x80, 0x01, 38] };
        ExtensionField {
            extension_type: Any::new(extension_type),
            criticality: None,
            value: Some(Any::new(rasn::ber::encode(&elements).expect("encodes"))),
        }
    }

    fn envelope_extensions(&mut self) -> Option<Vec<ExtensionField>> {
        self.option(|random| {
            let mut extensions = random.list(0, 3, Random::extension);
            if random.chance(2) {
                let at = random.below(extensions.len() + 1);
                let internal_trace = random.internal_trace();
                extensions.insert(at, internal_trace);
            }
            extensions
        })
    }

    /// One of the two alternatives of content-type.
    fn content_type(&mut self) -> (Option<i64>, Option<ObjectIdentifier>) {
        match self.below(3) {
            0 => (None, Some(ObjectIdentifier::new_unchecked(vec![1, 2, 840, 7].into()))),
            _ => (Some([0, 2, 22, 35, 32_767][self.below(5)]), None),
        }
    }

    fn recipients(&mut self, count: usize) -> Vec<PerRecipientTransferFields> {
        (1..=count as u32)
            .map(|number| {
                let first = self.number() as u8 & 0xf8;
                PerRecipientTransferFields {
                    recipient_name: self.or_name(),
                    originally_specified_recipient_number: number,
                    per_recipient_indicators: self.bits(first),
                    explicit_conversion: self.option(|random| random.below(200) as i64),
                    extensions: self.option(|random| random.list(0, 2, Random::extension)),
                }
            })
            .collect()
    }

    /// A message.
    pub fn message(&mut self, recipient_count: usize, content_size: usize) -> MtsApdu {
        let (built_in_content_type, extended_content_type) = self.content_type();
        MtsApdu::Message(Message {
            envelope: MessageTransferEnvelope {
                message_identifier: self.mts_identifier(),
                originator_name: self.or_name(),
                original_encoded_information_types: self.option(Random::encoded_information_types),
                built_in_content_type,
                extended_content_type,
                content_identifier: self.option(|random| random.printable(16)),
                priority: self.option(|random| {
                    [Priority::Normal, Priority::NonUrgent, Priority::Urgent][random.below(3)]
                }),
                per_message_indicators: self.option(|random| {
                    let first = random.number() as u8;
                    random.bits(first)
                }),
                deferred_delivery_time: self.option(Random::time),
                per_domain_bilateral_information: self
                    .option(|_| Any::new(vec![0x30, 0x02, 0x05, 0x00])),
                trace_information: self.list(1, 5, Random::trace_element),
                extensions: self.envelope_extensions(),
                per_recipient_fields: self.recipients(recipient_count),
            },
            content: vec![self.number() as u8; content_size].into(),
        })
    }

    /// A probe.
    pub fn probe(&mut self, recipient_count: usize) -> MtsApdu {
        let (built_in_content_type, extended_content_type) = self.content_type();
        MtsApdu::Probe(ProbeTransferEnvelope {
            probe_identifier: self.mts_identifier(),
            originator_name: self.or_name(),
            original_encoded_information_types: self.option(Random::encoded_information_types),
            built_in_content_type,
            extended_content_type,
            content_identifier: self.option(|random| random.printable(16)),
            content_length: self.option(|random| random.below(1 << 31) as u64),
            per_message_indicators: self.option(|random| {
                let first = random.number() as u8;
                random.bits(first)
            }),
            per_domain_bilateral_information: self
                .option(|_| Any::new(vec![0x30, 0x02, 0x05, 0x00])),
            trace_information: self.list(1, 5, Random::trace_element),
            extensions: self.envelope_extensions(),
            per_recipient_fields: self.recipients(recipient_count),
        })
    }

    /// A report.
    pub fn report(&mut self) -> MtsApdu {
        let (built_in_content_type, extended_content_type) = self.content_type();
        MtsApdu::Report(Report {
            envelope: ReportTransferEnvelope {
                report_identifier: self.mts_identifier(),
                report_destination_name: self.or_name(),
                trace_information: self.list(1, 5, Random::trace_element),
                extensions: self.envelope_extensions(),
            },
            content: ReportTransferContent {
                subject_identifier: self.mts_identifier(),
                subject_intermediate_trace_information: self
                    .option(|random| random.list(1, 3, Random::trace_element)),
                original_encoded_information_types: self.option(Random::encoded_information_types),
                built_in_content_type,
                extended_content_type,
                content_identifier: self.option(|random| random.printable(16)),
                returned_content: self.option(|random| vec![7; random.below(300)].into()),
                additional_information: None,
                extensions: self.option(|random| random.list(0, 2, Random::extension)),
                per_recipient_fields: self.list(1, 3, |random| PerRecipientReportTransferFields {
                    actual_recipient_name: random.or_name(),
                    originally_specified_recipient_number: 1 + random.below(32_767) as u32,
                    per_recipient_indicators: random.bits(0x28),
                    last_trace_information: LastTraceInformation {
                        arrival_time: random.time(),
                        converted_encoded_information_types: None,
                        report_type: if random.chance(2) {
                            ReportType::Delivery(DeliveryReport {
                                message_delivery_time: random.time(),
                                type_of_mts_user: random.option(|random| random.below(7) as i64),
                            })
                        } else {
                            ReportType::NonDelivery(NonDeliveryReport {
                                non_delivery_reason_code: random.below(9) as i64,
                                non_delivery_diagnostic_code: random
                                    .option(|random| random.below(79) as i64),
                            })
                        },
                    },
                    originally_intended_recipient_name: random.option(Random::or_name),
                    supplementary_information: random.option(|random| random.printable(64)),
                    extensions: None,
                }),
            },
        })
    }

    /// A message, probe or report.
    pub fn apdu(&mut self) -> MtsApdu {
        match self.below(4) {
            0 => {
                let recipient_count = 1 + self.below(4);
                self.probe(recipient_count)
            }
            1 => self.report(),
            _ => {
                let recipient_count = 1 + self.below(4);
                let content_size = self.below(400);
                self.message(recipient_count, content_size)
            }
        }
    }

    /// Some encoding of a random APDU.
    pub fn encoded_apdu(&mut self) -> Vec<u8> {
        let apdu = self.apdu();
        self.some_encoding(&apdu)
    }

    /// Some encoding of an APDU.
    pub fn some_encoding(&mut self, apdu: &MtsApdu) -> Vec<u8> {
        let octets = rasn::ber::encode(apdu).expect("the schema encodes");
        crate::tree::Node::parse_all(&octets).shuffled(self).encode()
    }
}
