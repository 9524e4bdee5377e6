//! Compiling one expression, and evaluating it in a scope of named values.

use std::collections::BTreeSet;
use std::sync::Arc;

use cel::common::ast::{EntryExpr, Expr};
use cel::common::value::{CowVal, Val};
use cel::parser::{Expression as Ast, PrattParser};
use cel::{Context, Env, ExecutionError, extensions};

use crate::{CompileError, Error};

/// Bytes of one expression. More than anybody writes by hand, and short enough that the tree of any
/// chain (`a.b.c…`) can be dropped by recursion: twice as long a one exhausts a component's stack.
const SOURCE_BYTES_MAX: usize = 8 * 1024;

/// Brackets within brackets.
const NESTING_MAX: u16 = 48;

/// The longest chain (`a + b + c …`) and the deepest nesting together. Evaluation goes down this far:
/// in a component (1 MiB of stack) chains of 500 were seen to work and chains of 800 to exhaust it.
const DEPTH_MAX: usize = 200;

/// The functions and operators that expressions may use. Built once, shared by all scopes.
#[derive(Clone)]
pub struct Dialect(Arc<Env>);

/// The named values that an expression may use.
pub struct Scope<'v> {
    context: Context<'v, 'v>,
    names: BTreeSet<String>,
}

/// A compiled expression.
#[derive(Debug)]
pub struct Expression(Ast);

impl Dialect {
    /// The standard library and the extensions.
    pub fn new() -> Self {
        let mut env = Env::stdlib();
        for extension in [extensions::strings, extensions::lists, extensions::math] {
            env.add_extension(extension)
                .expect("the extensions that come with cel fit together");
        }
        Self(Arc::new(env))
    }

    /// A scope without names.
    pub fn scope<'v>(&self) -> Scope<'v> {
        let context = Context::with_env(Arc::clone(&self.0));
        Scope {
            context,
            names: BTreeSet::new(),
        }
    }
}

impl Default for Dialect {
    fn default() -> Self {
        Self::new()
    }
}

impl<'v> Scope<'v> {
    /// Binds `name` to a value, in place of what it was bound to.
    pub fn bind(&mut self, name: &str, value: Box<dyn Val + 'v>) {
        if !self.names.contains(name) {
            self.names.insert(name.to_owned());
        }
        self.context.add_variable_as_val(name, value);
    }
}

impl Expression {
    /// Parses `source`. Names that are nowhere bound are found by [`evaluate`](Self::evaluate).
    ///
    /// # Errors
    /// Names the column (and line) and what was expected there, or the limit that is exceeded.
    pub fn compile(source: &str) -> Result<Self, CompileError> {
        if source.len() > SOURCE_BYTES_MAX {
            return Err(CompileError::TooLong {
                bytes: source.len(),
                max: SOURCE_BYTES_MAX,
            });
        }
        // Not `Env::compile`: its ANTLR parser takes half a millisecond to set itself up, in each
        // instance anew, five times what compiling and evaluating a usual expression takes.
        let ast = PrattParser::new()
            .enable_optional_syntax(true)
            .max_recursion_depth(NESTING_MAX)
            .parse(source)?;
        if is_deeper_than(DEPTH_MAX, &ast) {
            return Err(CompileError::TooDeep { max: DEPTH_MAX });
        }
        Ok(Self(ast))
    }

    /// Whether the expression uses the name, so that it need not be bound when it does not.
    pub fn uses(&self, name: &str) -> bool {
        self.0.references().has_variable(name)
    }

    /// Evaluates in `scope`; [`ToJson`](crate::ToJson) writes the value.
    ///
    /// # Errors
    /// What the expression does wrong.
    pub fn evaluate<'e, 'v>(&'e self, scope: &'e Scope<'v>) -> Result<CowVal<'e, 'v>, Error> {
        cel::Value::resolve_val(&self.0, &scope.context).map_err(|error| match error {
            ExecutionError::UndeclaredReference(name) if self.calls(&name) => {
                Error::UnknownFunction(name.to_string())
            }
            ExecutionError::UndeclaredReference(name) => Error::UnknownName {
                name: name.to_string(),
                known: scope.names.iter().cloned().collect(),
            },
            error => Error::Evaluation(error),
        })
    }

    fn calls(&self, function: &str) -> bool {
        self.0.references().has_function(function)
    }
}

/// By a list of what is left to visit, because recursion is what this guards against.
fn is_deeper_than(max: usize, root: &Ast) -> bool {
    let mut left = vec![(root, 1)];
    while let Some((ast, depth)) = left.pop() {
        if depth > max {
            return true;
        }
        let mut visit = |child| left.push((child, depth + 1));
        match &ast.expr {
            Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
            Expr::Select(select) => visit(&select.operand),
            Expr::Call(call) => call
                .target
                .iter()
                .map(AsRef::as_ref)
                .chain(&call.args)
                .for_each(visit),
            Expr::List(list) => list.elements.iter().for_each(visit),
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        visit(&entry.key);
                        visit(&entry.value);
                    }
                }
            }
            Expr::Struct(object) => {
                for entry in &object.entries {
                    if let EntryExpr::StructField(field) = &entry.expr {
                        visit(&field.value);
                    }
                }
            }
            Expr::Comprehension(comprehension) => [
                &comprehension.iter_range,
                &comprehension.accu_init,
                &comprehension.loop_cond,
                &comprehension.loop_step,
                &comprehension.result,
            ]
            .into_iter()
            .for_each(visit),
        }
    }
    false
}
