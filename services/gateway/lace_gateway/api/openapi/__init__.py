"""The OpenAPI document: operations from the contract, examples, errors, and the few endpoints made by hand."""
