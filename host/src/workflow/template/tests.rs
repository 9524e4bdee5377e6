//! Templates, by example and by property.


