dsl = [
  capability: 1,
  capability: 2,
  depends_on: 1,
  depends_on: 2,
  hook: 2,
  hook: 3,
  hook: 4,
  hookpoint: 1,
  hookpoint: 2,
  provides: 2,
  provides: 3,
  test_plugin: 2,
  test_plugin: 3
]

[
  inputs: [
    "*.exs",
    ".formatter.exs",
    "{lib,test,benches}/**/*.{ex,exs}",
    "examples/*/{lib,test,plugins}/**/*.{ex,exs}",
    "examples/*/*.exs",
    "docs/site/*.exs"
  ],
  line_length: 110,
  locals_without_parens: dsl,
  export: [locals_without_parens: dsl]
]
