"""The client for AWS services that speak JSON: DynamoDB, EventBridge, Secrets Manager, SQS and Systems Manager.

It does what botocore's client does for them, in a tenth of the processor time: endpoints, signatures, connections,
retries, errors and traces. `docs/decisions/2026-12-01-one-lean-path-to-aws.md` has the reasons and the figures.
"""
