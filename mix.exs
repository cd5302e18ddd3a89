defmodule Pipeline.Plugin.MixProject do
  use Mix.Project

  @version "0.1.0"

  def project do
    [
      app: :pipeline_plugin,
      version: @version,
      elixir: "~> 1.14",
      elixirc_paths: elixirc_paths(Mix.env()),
      # After Elixir's own compiler: the task is one of the modules that it compiles.
      compilers: Mix.compilers() ++ [:pipeline_native],
      pipeline_native: [pipeline_nif: native()] ++ test_native(Mix.env()),
      start_permanent: Mix.env() == :prod,
      deps: deps(),
      name: "Pipeline.Plugin",
      description: "A plugin system for Elixir applications with a Rust core",
      package: package(),
      docs: docs()
    ]
  end

  # Nothing but bin/docs, where Hex can be reached, needs it.
  defp deps do
    if System.get_env("PIPELINE_EX_DOC"), do: [{:ex_doc, "~> 0.34", only: :dev, runtime: false}], else: []
  end

  # For ExDoc, and for docs/site where ExDoc cannot be had.
  defp docs do
    guides = ["docs/guides/tour.md" | Path.wildcard("docs/guides/*.md")] ++ ["docs/security.md"]
    cheatsheets = Path.wildcard("docs/cheatsheets/*.md")
    decisions = Path.wildcard("docs/decisions/*.md")

    [
      main: "readme",
      output: "doc",
      formatters: ["html"],
      extras:
        ["README.md"] ++
          Enum.uniq(guides) ++ cheatsheets ++ ["docs/architecture.md", "CHANGELOG.md"] ++ decisions,
      groups_for_extras: [
        Guides: guides,
        Cheatsheets: cheatsheets,
        "How it is built": ["docs/architecture.md", "CHANGELOG.md"],
        Decisions: decisions
      ],
      groups_for_modules: [
        "Writing plugins": [
          Pipeline.Plugin,
          ~r/^Pipeline\.Plugin\.(DSL|ConfigSchema|Events|Handle|RPC|Test|Security)/
        ],
        "Hook points": [~r/^Pipeline\.Hook/],
        "Native hooks": [~r/^Pipeline\.Native\./],
        Operation: [
          ~r/^Pipeline\.Plugin\.(Manager|Summary|Resources|Telemetry|Graph|Supervisor|Error|Store)/,
          Pipeline.Doctor,
          Pipeline.Plugins.TelemetryPlugin
        ],
        "Finding, installing, connecting": [~r/^Pipeline\.(Package|Cluster|Plugin\.(Discovery|Loader|Re))/],
        "Mix tasks": [~r/^Mix\./],
        "Host kit": [~r/^Pipeline\.(Handlers|NodeHandler|Plugins|Provider|Providers|Runner|Validator)/]
      ]
    ]
  end

  def application do
    [
      # inets and ssl for packages that are fetched.
      extra_applications: [:logger, :crypto, :inets, :ssl],
      # Who answers the options cluster: and packages: of an instance, which no module before those layers may name.
      env: [distribution: Pipeline.Cluster.Adapter, packages_adapter: Pipeline.Package.Adapter],
      mod: {Pipeline.Plugin.Application, []}
    ]
  end

  defp elixirc_paths(:test), do: ["lib", "test/support"]
  defp elixirc_paths(_), do: ["lib"]

  # The hooks with heavy dependencies, among which native_features chooses.
  defp native do
    counting = if System.get_env("PIPELINE_COUNT_MEMORY") == "1", do: [:counting], else: []

    [
      module: Pipeline.Native,
      optional: [:json_schema, :count_tokens, :template, :summarise],
      features: counting
    ]
  end

  # Hooks that end in every way, and the core alone, for the conformance suite.
  defp test_native(:test), do: [pipeline_vm_hooks: [module: VmHooks]]
  defp test_native(_), do: []

  defp package do
    [
      licenses: ["Apache-2.0"],
      # All members of the workspace: Cargo refuses one of which a member is missing.
      files:
        ~w(lib native benches/core benches/plots priv/templates .formatter.exs Cargo.toml Cargo.lock mix.exs README.md CHANGELOG.md LICENSE checksum-*.exs)
    ]
  end
end
