//! Tags of the ASN.1 modules MTAAbstractService and MTSAbstractService, by the names of their fields.

use crate::ber::Tag;

// MTS-APDU
pub(super) const MESSAGE: Tag = Tag::context(0);
pub(super) const REPORT: Tag = Tag::context(1);
pub(super) const PROBE: Tag = Tag::context(2);

// Common types
pub(super) const OR_NAME: Tag = Tag::application(0);
pub(super) const COUNTRY_NAME: Tag = Tag::application(1);
pub(super) const ADMINISTRATION_DOMAIN_NAME: Tag = Tag::application(2);
pub(super) const GLOBAL_DOMAIN_IDENTIFIER: Tag = Tag::application(3);
pub(super) const MTS_IDENTIFIER: Tag = Tag::application(4);
pub(super) const ENCODED_INFORMATION_TYPES: Tag = Tag::application(5);
pub(super) const BUILT_IN_CONTENT_TYPE: Tag = Tag::application(6);
pub(super) const PRIORITY: Tag = Tag::application(7);
pub(super) const PER_MESSAGE_INDICATORS: Tag = Tag::application(8);
pub(super) const TRACE_INFORMATION: Tag = Tag::application(9);
pub(super) const CONTENT_IDENTIFIER: Tag = Tag::application(10);

// PerMessageTransferFields, PerProbeTransferFields
pub(super) const DEFERRED_DELIVERY_TIME: Tag = Tag::context(0);
pub(super) const CONTENT_LENGTH: Tag = Tag::context(0);
pub(super) const PER_DOMAIN_BILATERAL_INFORMATION: Tag = Tag::context(1);
pub(super) const PER_RECIPIENT_FIELDS: Tag = Tag::context(2);
pub(super) const EXTENSIONS: Tag = Tag::context(3);

// PerRecipientMessageTransferFields, PerRecipientProbeTransferFields
pub(super) const ORIGINALLY_SPECIFIED_RECIPIENT_NUMBER: Tag = Tag::context(0);
pub(super) const PER_RECIPIENT_INDICATORS: Tag = Tag::context(1);
pub(super) const EXPLICIT_CONVERSION: Tag = Tag::context(2);
pub(super) const RECIPIENT_EXTENSIONS: Tag = Tag::context(3);

// ReportTransferEnvelope
pub(super) const REPORT_EXTENSIONS: Tag = Tag::context(1);

// ExtensionField
pub(super) const STANDARD_EXTENSION: Tag = Tag::context(0);
pub(super) const PRIVATE_EXTENSION: Tag = Tag::context(3);
pub(super) const CRITICALITY: Tag = Tag::context(1);
pub(super) const EXTENSION_VALUE: Tag = Tag::context(2);

// DomainSuppliedInformation, MTASuppliedInformation
pub(super) const ARRIVAL_TIME: Tag = Tag::context(0);
pub(super) const DEFERRED_TIME: Tag = Tag::context(1);
pub(super) const ROUTING_ACTION: Tag = Tag::context(2);
pub(super) const OTHER_ACTIONS: Tag = Tag::context(3);
