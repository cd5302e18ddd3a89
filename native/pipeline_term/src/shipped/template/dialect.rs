use minijinja::machinery::ast::{BinOpKind, CallArg, CompareOpKind, Expr, Stmt};
use minijinja::machinery::parse;
use minijinja::syntax::SyntaxConfig;
use thiserror::Error;

/// How long a template may be, in bytes. The compiler recurses over chains such as `a + b + c`.
pub(super) const MAX_SOURCE: usize = 32 * 1024;
/// How many `+` a template may have: `x + x` of a list is twice as long, and is not walked to be counted.
const MAX_ADDITIONS: usize = 16;
/// How many slices and indexes a template may have: one of a text walks all of it.
const MAX_SLICES: usize = 64;

/// Why a template that Jinja would take is refused.
#[derive(Debug, Error)]
pub(super) enum Refused {
    #[error("the template has {0} bytes; expected at most {MAX_SOURCE}")]
    TooLong(usize),
    #[error(transparent)]
    Syntax(#[from] minijinja::Error),
    #[error(
        "line {line}: a template cannot build a {what}; put it into the context. A list of constants may stand after in"
    )]
    Builds { line: u16, what: &'static str },
    #[error("line {line}: loop stands alone; use its fields, such as loop.index")]
    BareLoop { line: u16 },
    #[error("{found} {what}; expected at most {most}: compute it before the template")]
    TooMany {
        what: &'static str,
        found: usize,
        most: usize,
    },
}

/// Counts on the way through a template.
#[derive(Default)]
struct Checked {
    additions: usize,
    slices: usize,
}

/// Refuses a template that builds data. To be called where the stack is deep.
pub(super) fn check(source: &str) -> Result<(), Refused> {
    if source.len() > MAX_SOURCE {
        return Err(Refused::TooLong(source.len()));
    }
    let mut checked = Checked::default();
    checked.statement(&parse(source, "template", SyntaxConfig::default())?)?;
    for (what, found, most) in [
        ("additions", checked.additions, MAX_ADDITIONS),
        ("slices and indexes", checked.slices, MAX_SLICES),
    ] {
        if found > most {
            return Err(Refused::TooMany { what, found, most });
        }
    }
    Ok(())
}

impl Checked {
    fn all(&mut self, statements: &[Stmt<'_>]) -> Result<(), Refused> {
        statements.iter().try_for_each(|stmt| self.statement(stmt))
    }

    fn statement(&mut self, statement: &Stmt<'_>) -> Result<(), Refused> {
        match statement {
            Stmt::Template(template) => self.all(&template.children),
            Stmt::EmitExpr(emit) => self.expression(&emit.expr),
            Stmt::EmitRaw(_) => Ok(()),
            Stmt::ForLoop(each) => {
                self.expression(&each.iter)?;
                if let Some(filter) = &each.filter_expr {
                    self.expression(filter)?;
                }
                self.all(&each.body)?;
                self.all(&each.else_body)
            }
            Stmt::IfCond(cond) => {
                self.expression(&cond.expr)?;
                self.all(&cond.true_body)?;
                self.all(&cond.false_body)
            }
            Stmt::WithBlock(with) => {
                for (_, value) in &with.assignments {
                    self.expression(value)?;
                }
                self.all(&with.body)
            }
            Stmt::Set(set) => self.expression(&set.expr),
            Stmt::SetBlock(set) => {
                if let Some(filter) = &set.filter {
                    self.expression(filter)?;
                }
                self.all(&set.body)
            }
            Stmt::AutoEscape(escape) => {
                self.expression(&escape.enabled)?;
                self.all(&escape.body)
            }
            Stmt::FilterBlock(block) => {
                self.expression(&block.filter)?;
                self.all(&block.body)
            }
            Stmt::Do(statement) => {
                self.called(&statement.call.expr)?;
                self.arguments(&statement.call.args)
            }
        }
    }

    fn expression(&mut self, expression: &Expr<'_>) -> Result<(), Refused> {
        let line = expression.span().start_line;
        let builds = |what| Err(Refused::Builds { line, what });
        match expression {
            // Kept in itself, by `loop.changed(loop)`, it would never be freed.
            Expr::Var(var) if var.id == "loop" => Err(Refused::BareLoop { line }),
            Expr::Const(_) | Expr::Var(_) => Ok(()),
            Expr::Slice(slice) => {
                self.slices += 1;
                self.expression(&slice.expr)?;
                let bounds = [&slice.start, &slice.stop, &slice.step];
                bounds
                    .into_iter()
                    .flatten()
                    .try_for_each(|bound| self.expression(bound))
            }
            Expr::GetItem(item) => {
                self.slices += 1;
                self.called(&item.expr)?;
                self.expression(&item.subscript_expr)
            }
            Expr::GetAttr(attribute) => self.called(&attribute.expr),
            Expr::UnaryOp(op) => self.expression(&op.expr),
            Expr::BinOp(op) => {
                self.additions += usize::from(matches!(op.op, BinOpKind::Add));
                self.expression(&op.left)?;
                self.operand(matches!(op.op, BinOpKind::In), &op.right)
            }
            Expr::Compare(compare) => {
                self.expression(&compare.expr)?;
                compare.ops.iter().try_for_each(|op| {
                    let within = matches!(op.op, CompareOpKind::In | CompareOpKind::NotIn);
                    self.operand(within, &op.expr)
                })
            }
            Expr::IfExpr(cond) => {
                self.expression(&cond.test_expr)?;
                self.expression(&cond.true_expr)?;
                cond.false_expr
                    .iter()
                    .try_for_each(|other| self.expression(other))
            }
            Expr::Filter(filter) => {
                filter
                    .expr
                    .iter()
                    .try_for_each(|value| self.expression(value))?;
                self.arguments(&filter.args)
            }
            Expr::Test(test) => {
                self.expression(&test.expr)?;
                self.arguments(&test.args)
            }
            Expr::Call(call) => {
                self.called(&call.expr)?;
                self.arguments(&call.args)
            }
            Expr::List(list) if list.items.is_empty() => Ok(()),
            Expr::List(_) => builds("list"),
            Expr::Tuple(_) => builds("tuple"),
            Expr::Map(_) => builds("map"),
        }
    }

    /// The object of a call or of a field access: `loop` may be.
    fn called(&mut self, expression: &Expr<'_>) -> Result<(), Refused> {
        match expression {
            Expr::Var(_) => Ok(()),
            other => self.expression(other),
        }
    }

    /// The right side of an operator; of `in`, a list of constants may be.
    fn operand(&mut self, within: bool, expression: &Expr<'_>) -> Result<(), Refused> {
        match expression {
            Expr::List(list) if within && list.items.iter().all(is_constant) => Ok(()),
            other => self.expression(other),
        }
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) -> Result<(), Refused> {
        arguments.iter().try_for_each(|argument| match argument {
            CallArg::Pos(value) | CallArg::Kwarg(_, value) => self.expression(value),
            CallArg::PosSplat(value) | CallArg::KwargSplat(value) => Err(Refused::Builds {
                line: value.span().start_line,
                what: "list of arguments",
            }),
        })
    }
}

fn is_constant(expression: &Expr<'_>) -> bool {
    match expression {
        Expr::Const(_) => true,
        Expr::UnaryOp(op) => matches!(op.expr, Expr::Const(_)),
        _ => false,
    }
}
