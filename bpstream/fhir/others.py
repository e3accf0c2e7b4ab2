"""Other resources: the types that FHIR has, and what becomes of one that is no Observation.

Source: the lists of resources of DSTU2, STU3, R4, R4B and R5 (https://hl7.org/fhir/directory.html).
"""

from typing import Any

from bpstream.errors import RejectedObservation
from bpstream.fhir.element import object_of, text_of
from bpstream.fhir.reasons import Fault, Passed, rejected

_NAMES = """
Account ActivityDefinition ActorDefinition AdministrableProductDefinition AdverseEvent
AllergyIntolerance Appointment AppointmentResponse ArtifactAssessment AuditEvent Basic Binary
BiologicallyDerivedProduct BiologicallyDerivedProductDispense BodySite BodyStructure
CapabilityStatement CarePlan CareTeam CatalogEntry ChargeItem ChargeItemDefinition Citation Claim
ClaimResponse ClinicalImpression ClinicalUseDefinition CodeSystem Communication
CommunicationRequest CompartmentDefinition Composition ConceptMap Condition ConditionDefinition
Conformance Consent Contract Coverage CoverageEligibilityRequest CoverageEligibilityResponse
DataElement DetectedIssue Device DeviceAssociation DeviceComponent DeviceDefinition DeviceDispense
DeviceMetric DeviceRequest DeviceUsage DeviceUseRequest DeviceUseStatement DiagnosticOrder
DiagnosticReport DocumentManifest DocumentReference EffectEvidenceSynthesis EligibilityRequest
EligibilityResponse Encounter EncounterHistory Endpoint EnrollmentRequest EnrollmentResponse
EpisodeOfCare EventDefinition Evidence EvidenceReport EvidenceVariable ExampleScenario
ExpansionProfile ExplanationOfBenefit FamilyMemberHistory Flag FormularyItem GenomicStudy Goal
GraphDefinition Group GuidanceResponse HealthcareService ImagingManifest ImagingObjectSelection
ImagingSelection ImagingStudy Immunization ImmunizationEvaluation ImmunizationRecommendation
ImplementationGuide Ingredient InsurancePlan InventoryItem InventoryReport Invoice Library Linkage
List Location ManufacturedItemDefinition Measure MeasureReport Media Medication
MedicationAdministration MedicationDispense MedicationKnowledge MedicationOrder MedicationRequest
MedicationStatement MedicinalProduct MedicinalProductAuthorization
MedicinalProductContraindication MedicinalProductDefinition MedicinalProductIndication
MedicinalProductIngredient MedicinalProductInteraction MedicinalProductManufactured
MedicinalProductPackaged MedicinalProductPharmaceutical MedicinalProductUndesirableEffect
MessageDefinition MessageHeader MolecularSequence NamingSystem NutritionIntake NutritionOrder
NutritionProduct ObservationDefinition OperationDefinition OperationOutcome Order OrderResponse
Organization OrganizationAffiliation PackagedProductDefinition Parameters Patient PaymentNotice
PaymentReconciliation Permission Person PlanDefinition Practitioner PractitionerRole Procedure
ProcedureRequest ProcessRequest ProcessResponse Provenance Questionnaire QuestionnaireResponse
ReferralRequest RegulatedAuthorization RelatedPerson RequestGroup RequestOrchestration
Requirements ResearchDefinition ResearchElementDefinition ResearchStudy ResearchSubject
RiskAssessment RiskEvidenceSynthesis Schedule SearchParameter Sequence ServiceDefinition
ServiceRequest Slot Specimen SpecimenDefinition StructureDefinition StructureMap Subscription
SubscriptionStatus SubscriptionTopic Substance SubstanceDefinition SubstanceNucleicAcid
SubstancePolymer SubstanceProtein SubstanceReferenceInformation SubstanceSourceMaterial
SubstanceSpecification SupplyDelivery SupplyRequest Task TerminologyCapabilities TestPlan
TestReport TestScript Transport ValueSet VerificationResult VisionPrescription
"""
TYPES = frozenset(_NAMES.split())
"""All but Observation and Bundle."""

_MEASURED = frozenset({"component", "valueQuantity", "valueSampledData"})
"""What an Observation has and no resource of another type."""

_OF_TRANSPORT = frozenset({"OperationOutcome", "Parameters", "SubscriptionStatus"})


def fate(resource: object) -> Passed | RejectedObservation:
    """Of an entry or a line: ignored.

    A dead letter where its type is not FHIR's, or is belied by what it holds.
    """
    held = object_of(resource)
    kind = text_of(held.get("resourceType"))
    if kind in TYPES and not _MEASURED & held.keys():
        return Passed.OTHER_RESOURCE
    return rejected(Fault.NOT_AN_OBSERVATION, path="resourceType", found=kind or resource)


def fate_alone(resource: dict[str, Any]) -> Passed | RejectedObservation:
    """Of a whole message: a dead letter, for it came to the wrong topic.

    What tells of the transport (no match, a heartbeat) is ignored.
    """
    kind = text_of(resource.get("resourceType"))
    if kind in _OF_TRANSPORT:
        return fate(resource)
    return rejected(Fault.NOT_AN_OBSERVATION, path="resourceType", found=kind or resource)
