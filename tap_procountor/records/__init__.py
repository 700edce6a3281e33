"""From the API's objects to records: schemas from the specification, conversion, rejection."""
