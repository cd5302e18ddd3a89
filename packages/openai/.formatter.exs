[
  import_deps: [:pipeline_plugin],
  inputs: ["*.exs", "{bin,lib,test}/**/*.{ex,exs}"],
  line_length: 110
]
