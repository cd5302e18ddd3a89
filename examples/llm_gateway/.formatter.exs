[
  import_deps: [:pipeline_plugin],
  inputs: ["*.exs", "{lib,plugins,test}/**/*.{ex,exs}"],
  line_length: 110
]
