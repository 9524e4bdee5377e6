//! The component: `wit/expression` on one side, the functions of this crate on the other.

use bindings::exports::phasewright::expression::evaluator as wit;

mod bindings {
    //! Generated from `wit/expression`.
    #![expect(
        clippy::same_length_and_capacity,
        reason = "in generated code: the canonical ABI hands over exact allocations"
    )]
    wit_bindgen::generate!({ path: "../../wit/expression", world: "expression-evaluator" });
}

struct Component;

bindings::export!(Component with_types_in bindings);

impl wit::Guest for Component {
    fn check(expressions: Vec<String>) -> Vec<Option<String>> {
        crate::check(&expressions)
    }

    fn evaluate(
        expressions: Vec<String>,
        scope: Vec<wit::Binding>,
    ) -> Result<Vec<wit::Json>, wit::EvaluationError> {
        let bindings = scope.into_iter();
        let bindings: Vec<_> = bindings
            .map(|wit::Binding { name, value }| crate::Binding { name, value })
            .collect();
        crate::evaluate(&expressions, &bindings).map_err(|error| wit::EvaluationError {
            index: u32::try_from(error.index).unwrap_or(u32::MAX),
            message: error.message,
        })
    }
}
