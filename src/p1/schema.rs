//! The ASN.1 of the MTS-APDUs as types (X.411 MTAAbstractService, MTSAbstractService): what decodes off
//! the data path, and the oracle of the scanner.
//!
//! What the relay never reads further stays [`Any`]: under a tag of its own the octets inside the tag.
//! A CHOICE that is a component of a SET (ContentType) is written as its alternatives, each optional.
//! Decoding normalises (order, lengths, times); what is decoded here is never encoded to be sent on.

use rasn::prelude::*;
use rasn::types::UtcTime;

/// The three MTS-APDUs.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
#[rasn(choice)]
pub enum MtsApdu {
    /// A message.
    #[rasn(tag(0))]
    Message(Message),
    /// A report.
    #[rasn(tag(1))]
    Report(Report),
    /// A probe.
    #[rasn(tag(2))]
    Probe(ProbeTransferEnvelope),
}

/// Message.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
pub struct Message {
    /// Envelope.
    pub envelope: MessageTransferEnvelope,
    /// Content.
    pub content: OctetString,
}

/// Report.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
pub struct Report {
    /// Envelope.
    pub envelope: ReportTransferEnvelope,
    /// Content.
    pub content: ReportTransferContent,
}

/// MessageTransferEnvelope.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
#[rasn(set)]
pub struct MessageTransferEnvelope {
    /// message-identifier
    pub message_identifier: MtsIdentifier,
    /// originator-name
    pub originator_name: OrName,
    /// original-encoded-information-types
    #[rasn(tag(application, 5))]
    pub original_encoded_information_types: Option<Any>,
    /// content-type, built-in
    #[rasn(tag(application, 6))]
    pub built_in_content_type: Option<i64>,
    /// content-type, extended
    pub extended_content_type: Option<ObjectIdentifier>,
    /// content-identifier
    #[rasn(tag(application, 10))]
    pub content_identifier: Option<PrintableString>,
    /// priority
    pub priority: Option<Priority>,
    /// per-message-indicators
    #[rasn(tag(application, 8))]
    pub per_message_indicators: Option<BitString>,
    /// deferred-delivery-time
    #[rasn(tag(0))]
    pub deferred_delivery_time: Option<UtcTime>,
    /// per-domain-bilateral-information
    #[rasn(tag(1))]
    pub per_domain_bilateral_information: Option<Any>,
    /// trace-information
    #[rasn(tag(application, 9))]
    pub trace_information: SequenceOf<TraceInformationElement>,
    /// extensions, in their order
    #[rasn(tag(3))]
    pub extensions: Option<SequenceOf<ExtensionField>>,
    /// per-recipient-fields
    #[rasn(tag(2))]
    pub per_recipient_fields: SequenceOf<PerRecipientTransferFields>,
}

/// ProbeTransferEnvelope.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
#[rasn(set)]
pub struct ProbeTransferEnvelope {
    /// probe-identifier
    pub probe_identifier: MtsIdentifier,
    /// originator-name
    pub originator_name: OrName,
    /// original-encoded-information-types
    #[rasn(tag(application, 5))]
    pub original_encoded_information_types: Option<Any>,
    /// content-type, built-in
    #[rasn(tag(application, 6))]
    pub built_in_content_type: Option<i64>,
    /// content-type, extended
    pub extended_content_type: Option<ObjectIdentifier>,
    /// content-identifier
    #[rasn(tag(application, 10))]
    pub content_identifier: Option<PrintableString>,
    /// content-length
    #[rasn(tag(0))]
    pub content_length: Option<u64>,
    /// per-message-indicators
    #[rasn(tag(application, 8))]
    pub per_message_indicators: Option<BitString>,
    /// per-domain-bilateral-information
    #[rasn(tag(1))]
    pub per_domain_bilateral_information: Option<Any>,
    /// trace-information
    #[rasn(tag(application, 9))]
    pub trace_information: SequenceOf<TraceInformationElement>,
    /// extensions, in their order
    #[rasn(tag(3))]
    pub extensions: Option<SequenceOf<ExtensionField>>,
    /// per-recipient-fields
    #[rasn(tag(2))]
    pub per_recipient_fields: SequenceOf<PerRecipientTransferFields>,
}

/// ReportTransferEnvelope.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
#[rasn(set)]
pub struct ReportTransferEnvelope {
    /// report-identifier
    pub report_identifier: MtsIdentifier,
    /// report-destination-name
    pub report_destination_name: OrName,
    /// trace-information
    #[rasn(tag(application, 9))]
    pub trace_information: SequenceOf<TraceInformationElement>,
    /// extensions, in their order
    #[rasn(tag(1))]
    pub extensions: Option<SequenceOf<ExtensionField>>,
}

/// PerRecipientMessageTransferFields and PerRecipientProbeTransferFields.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
#[rasn(set)]
pub struct PerRecipientTransferFields {
    /// recipient-name
    pub recipient_name: OrName,
    /// originally-specified-recipient-number
    #[rasn(tag(0))]
    pub originally_specified_recipient_number: u32,
    /// per-recipient-indicators
    #[rasn(tag(1))]
    pub per_recipient_indicators: BitString,
    /// explicit-conversion
    #[rasn(tag(2))]
    pub explicit_conversion: Option<i64>,
    /// extensions, in their order
    #[rasn(tag(3))]
    pub extensions: Option<SequenceOf<ExtensionField>>,
}

/// ReportTransferContent.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
#[rasn(set)]
pub struct ReportTransferContent {
    /// subject-identifier
    pub subject_identifier: MtsIdentifier,
    /// subject-intermediate-trace-information
    #[rasn(tag(application, 9))]
    pub subject_intermediate_trace_information: Option<SequenceOf<TraceInformationElement>>,
    /// original-encoded-information-types
    #[rasn(tag(application, 5))]
    pub original_encoded_information_types: Option<Any>,
    /// content-type, built-in
    #[rasn(tag(application, 6))]
    pub built_in_content_type: Option<i64>,
    /// content-type, extended
    pub extended_content_type: Option<ObjectIdentifier>,
    /// content-identifier
    #[rasn(tag(application, 10))]
    pub content_identifier: Option<PrintableString>,
    /// returned-content
    #[rasn(tag(1))]
    pub returned_content: Option<OctetString>,
    /// additional-information
    #[rasn(tag(2))]
    pub additional_information: Option<Any>,
    /// extensions, in their order
    #[rasn(tag(3))]
    pub extensions: Option<SequenceOf<ExtensionField>>,
    /// per-recipient-fields
    #[rasn(tag(0))]
    pub per_recipient_fields: SequenceOf<PerRecipientReportTransferFields>,
}

/// PerRecipientReportTransferFields.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
#[rasn(set)]
pub struct PerRecipientReportTransferFields {
    /// actual-recipient-name
    #[rasn(tag(0))]
    pub actual_recipient_name: OrName,
    /// originally-specified-recipient-number
    #[rasn(tag(1))]
    pub originally_specified_recipient_number: u32,
    /// per-recipient-indicators
    #[rasn(tag(2))]
    pub per_recipient_indicators: BitString,
    /// last-trace-information
    #[rasn(tag(3))]
    pub last_trace_information: LastTraceInformation,
    /// originally-intended-recipient-name
    #[rasn(tag(4))]
    pub originally_intended_recipient_name: Option<OrName>,
    /// supplementary-information
    #[rasn(tag(5))]
    pub supplementary_information: Option<PrintableString>,
    /// extensions, in their order
    #[rasn(tag(6))]
    pub extensions: Option<SequenceOf<ExtensionField>>,
}

/// LastTraceInformation.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
#[rasn(set)]
pub struct LastTraceInformation {
    /// arrival-time
    #[rasn(tag(0))]
    pub arrival_time: UtcTime,
    /// converted-encoded-information-types
    #[rasn(tag(application, 5))]
    pub converted_encoded_information_types: Option<Any>,
    /// report-type
    #[rasn(tag(explicit(1)))]
    pub report_type: ReportType,
}

/// ReportType.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
#[rasn(choice)]
pub enum ReportType {
    /// delivery
    #[rasn(tag(0))]
    Delivery(DeliveryReport),
    /// non-delivery
    #[rasn(tag(1))]
    NonDelivery(NonDeliveryReport),
}

/// DeliveryReport.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
#[rasn(set)]
pub struct DeliveryReport {
    /// message-delivery-time
    #[rasn(tag(0))]
    pub message_delivery_time: UtcTime,
    /// type-of-MTS-user
    #[rasn(tag(1))]
    pub type_of_mts_user: Option<i64>,
}

/// NonDeliveryReport.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
#[rasn(set)]
pub struct NonDeliveryReport {
    /// non-delivery-reason-code
    #[rasn(tag(0))]
    pub non_delivery_reason_code: i64,
    /// non-delivery-diagnostic-code
    #[rasn(tag(1))]
    pub non_delivery_diagnostic_code: Option<i64>,
}

/// MTSIdentifier.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
#[rasn(tag(application, 4))]
pub struct MtsIdentifier {
    /// global-domain-identifier
    pub global_domain_identifier: GlobalDomainIdentifier,
    /// local-identifier
    pub local_identifier: Ia5String,
}

/// GlobalDomainIdentifier.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
#[rasn(tag(application, 3))]
pub struct GlobalDomainIdentifier {
    /// country-name
    #[rasn(tag(explicit(application, 1)))]
    pub country_name: DomainName,
    /// administration-domain-name
    #[rasn(tag(explicit(application, 2)))]
    pub administration_domain_name: DomainName,
    /// private-domain-identifier
    pub private_domain_identifier: Option<DomainName>,
}

/// A name that is numeric or printable: country codes and domain names.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
#[rasn(choice)]
pub enum DomainName {
    /// Digits and spaces.
    Numeric(NumericString),
    /// Printable characters.
    Printable(PrintableString),
}

/// Priority.
#[derive(AsnType, Decode, Encode, Debug, Clone, Copy, PartialEq, Eq)]
#[rasn(enumerated, tag(application, 7))]
pub enum Priority {
    /// normal
    Normal = 0,
    /// non-urgent
    NonUrgent = 1,
    /// urgent
    Urgent = 2,
}

/// TraceInformationElement.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
pub struct TraceInformationElement {
    /// global-domain-identifier
    pub global_domain_identifier: GlobalDomainIdentifier,
    /// domain-supplied-information
    pub domain_supplied_information: DomainSuppliedInformation,
}

/// DomainSuppliedInformation.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
#[rasn(set)]
pub struct DomainSuppliedInformation {
    /// arrival-time
    #[rasn(tag(0))]
    pub arrival_time: UtcTime,
    /// routing-action
    #[rasn(tag(2))]
    pub routing_action: RoutingAction,
    /// attempted-domain
    pub attempted_domain: Option<GlobalDomainIdentifier>,
    /// deferred-time
    #[rasn(tag(1))]
    pub deferred_time: Option<UtcTime>,
    /// converted-encoded-information-types
    #[rasn(tag(application, 5))]
    pub converted_encoded_information_types: Option<Any>,
    /// other-actions
    #[rasn(tag(3))]
    pub other_actions: Option<BitString>,
}

/// InternalTraceInformationElement.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
pub struct InternalTraceInformationElement {
    /// global-domain-identifier
    pub global_domain_identifier: GlobalDomainIdentifier,
    /// mta-name
    pub mta_name: Ia5String,
    /// mta-supplied-information
    pub mta_supplied_information: MtaSuppliedInformation,
}

/// MTASuppliedInformation.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
#[rasn(set)]
pub struct MtaSuppliedInformation {
    /// arrival-time
    #[rasn(tag(0))]
    pub arrival_time: UtcTime,
    /// routing-action
    #[rasn(tag(2))]
    pub routing_action: RoutingAction,
    /// attempted, an MTA
    pub attempted_mta: Option<Ia5String>,
    /// attempted, a domain
    pub attempted_domain: Option<GlobalDomainIdentifier>,
    /// deferred-time
    #[rasn(tag(1))]
    pub deferred_time: Option<UtcTime>,
    /// converted-encoded-information-types
    #[rasn(tag(application, 5))]
    pub converted_encoded_information_types: Option<Any>,
    /// other-actions
    #[rasn(tag(3))]
    pub other_actions: Option<BitString>,
}

/// RoutingAction.
#[derive(AsnType, Decode, Encode, Debug, Clone, Copy, PartialEq, Eq)]
#[rasn(enumerated)]
pub enum RoutingAction {
    /// relayed
    Relayed = 0,
    /// rerouted
    Rerouted = 1,
}

/// ExtensionField.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
pub struct ExtensionField {
    /// type, the whole element: its encodings differ by edition.
    pub extension_type: Any,
    /// criticality
    #[rasn(tag(1))]
    pub criticality: Option<BitString>,
    /// value, the whole element inside the tag
    #[rasn(tag(2))]
    pub value: Option<Any>,
}

/// ORName, with the fields of ORAddress.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
#[rasn(tag(application, 0))]
pub struct OrName {
    /// built-in-standard-attributes
    pub built_in_standard_attributes: BuiltInStandardAttributes,
    /// built-in-domain-defined-attributes
    pub built_in_domain_defined_attributes: Option<SequenceOf<BuiltInDomainDefinedAttribute>>,
    /// extension-attributes, in their order
    #[rasn(tag(universal, 17))]
    pub extension_attributes: Option<SequenceOf<ExtensionAttribute>>,
    /// directory-name
    #[rasn(tag(0))]
    pub directory_name: Option<Any>,
}

/// BuiltInStandardAttributes.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Default)]
pub struct BuiltInStandardAttributes {
    /// country-name
    #[rasn(tag(explicit(application, 1)))]
    pub country_name: Option<DomainName>,
    /// administration-domain-name
    #[rasn(tag(explicit(application, 2)))]
    pub administration_domain_name: Option<DomainName>,
    /// network-address
    #[rasn(tag(0))]
    pub network_address: Option<NumericString>,
    /// terminal-identifier
    #[rasn(tag(1))]
    pub terminal_identifier: Option<PrintableString>,
    /// private-domain-name
    #[rasn(tag(explicit(2)))]
    pub private_domain_name: Option<DomainName>,
    /// organization-name
    #[rasn(tag(3))]
    pub organization_name: Option<PrintableString>,
    /// numeric-user-identifier
    #[rasn(tag(4))]
    pub numeric_user_identifier: Option<NumericString>,
    /// personal-name
    #[rasn(tag(5))]
    pub personal_name: Option<PersonalName>,
    /// organizational-unit-names
    #[rasn(tag(6))]
    pub organizational_unit_names: Option<SequenceOf<PrintableString>>,
}

/// PersonalName.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
#[rasn(set)]
pub struct PersonalName {
    /// surname
    #[rasn(tag(0))]
    pub surname: PrintableString,
    /// given-name
    #[rasn(tag(1))]
    pub given_name: Option<PrintableString>,
    /// initials
    #[rasn(tag(2))]
    pub initials: Option<PrintableString>,
    /// generation-qualifier
    #[rasn(tag(3))]
    pub generation_qualifier: Option<PrintableString>,
}

/// BuiltInDomainDefinedAttribute.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
pub struct BuiltInDomainDefinedAttribute {
    /// type
    pub attribute_type: PrintableString,
    /// value
    pub value: PrintableString,
}

/// ExtensionAttribute.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq)]
pub struct ExtensionAttribute {
    /// extension-attribute-type
    #[rasn(tag(0))]
    pub extension_attribute_type: i64,
    /// extension-attribute-value, the whole element inside the tag
    #[rasn(tag(1))]
    pub extension_attribute_value: Any,
}
