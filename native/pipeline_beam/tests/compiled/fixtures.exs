# Writes, into the directory given, BEAM files as users come to have them, and an archive of them.
[directory] = System.argv()
File.cd!(directory)
Code.compiler_options(ignore_module_conflict: true)

modules =
  Code.compile_string(~S'''
  defmodule Fixture.Plugin do
    Module.register_attribute(__MODULE__, :pipeline_plugin, persist: true)
    Module.register_attribute(__MODULE__, :before, persist: true, accumulate: true)
    @before %{some: {"other", [1, 2 | 3]}}
    @before self: &Enum.map/2
    @behaviour Access
    @pipeline_plugin %{
      :id => :fixture,
      :version => "1.2.3",
      :small => 7,
      :negative => -70_000,
      :word => 9_223_372_036_854_775_807,
      :least => -9_223_372_036_854_775_808,
      :ratio => 1.5,
      :fun => &String.upcase/1,
      :bits => <<5::3>>,
      :chars => [104, 105],
      :improper => [1 | :tail],
      :nothing => nil,
      :empty => {[], {}, %{}, ""},
      :"größe 日本" => :"größe 日本",
      "text" => [depends_on: [cache: "~> 1.0"], deep: %{deeper: [%{deepest: {:a, "b"}}]}]
    }
    def __plugin__, do: @pipeline_plugin
    def fetch(_, _), do: :error
    def get_and_update(_, _, _), do: :error
    def pop(_, _), do: :error
  end

  defmodule Fixture.Lacking do
    Module.register_attribute(__MODULE__, :pipeline_plugin, persist: true)
    @pipeline_plugin %{id: :lacking}
    def __plugin__(_), do: @pipeline_plugin
    defp private, do: :__plugin__
    def public, do: private()
  end

  defmodule Fixture.Plain do
    def __plugin__, do: :pipeline_plugin
  end

  defmodule Fixture.NotAMap do
    Module.register_attribute(__MODULE__, :pipeline_plugin, persist: true)
    @pipeline_plugin [id: :list]
  end

  defmodule Fixture.Twice do
    Module.register_attribute(__MODULE__, :pipeline_plugin, persist: true, accumulate: true)
    @pipeline_plugin %{id: :one}
    @pipeline_plugin %{id: :two}
  end
  ''')

for {module, beam} <- modules, do: File.write!("#{module}.beam", beam)
plugin = modules[Fixture.Plugin]

# The ways in which a release or a packager changes a file.
File.write!("gzip.beam", :zlib.gzip(plugin))
{:ok, {_, stripped}} = :beam_lib.strip(plugin)
File.write!("stripped.beam", stripped)
{:ok, released} = Mix.Release.strip_beam(plugin)
File.write!("released.beam", released)

# The atom table as OTP 28 and later write it: a negative count, lengths as operands.
{:ok, Fixture.Plugin, chunks} = :beam_lib.all_chunks(plugin)

chunks =
  for {id, data} <- chunks do
    case {id, data} do
      {~c"AtU8", <<count::32-signed, atoms::binary>>} when count > 0 ->
        atoms =
          for <<size, atom::binary-size(size) <- atoms>>, into: "" do
            if size < 16,
              do: <<size::4, 0::4, atom::binary>>,
              else: <<div(size, 256)::3, 0b01000::5, rem(size, 256), atom::binary>>
          end

        {id, <<-count::32, atoms::binary>>}

      chunk ->
        chunk
    end
  end

{:ok, otp28} = :beam_lib.build_module(chunks)
File.write!("otp28.beam", otp28)

{:ok, _} =
  :zip.create(~c"fixture-1.0.ez", [
    {~c"fixture-1.0/ebin/Elixir.Fixture.Plugin.beam", plugin},
    {~c"fixture-1.0/ebin/Elixir.Fixture.Plain.beam", modules[Fixture.Plain]},
    {~c"fixture-1.0/ebin/cut.beam", binary_part(plugin, 0, 100)},
    {~c"fixture-1.0/priv/notes.txt", "nothing to see"}
  ])
