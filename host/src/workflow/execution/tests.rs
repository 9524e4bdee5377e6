//! Executions, by example and by property.


