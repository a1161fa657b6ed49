"""The API's description: the OpenAPI document and the page made of it."""
