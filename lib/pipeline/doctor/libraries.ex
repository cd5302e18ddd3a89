defmodule Pipeline.Doctor.Libraries do
  @moduledoc false
  # The native libraries: which are there, and where they came from.

  alias Pipeline.Doctor
  alias Pipeline.Foreign
  alias Pipeline.Native.Build.Stamp

  @spec list([module]) :: [Doctor.library()]
  def list(more) do
    loaded = for {module, _path} <- :code.all_loaded(), library?(module), do: module
    for module <- Enum.uniq([Pipeline.Native | Enum.sort(loaded)] ++ more), do: examine(module)
  end

  defp library?(module) do
    function_exported?(module, :__load_native__, 0) and function_exported?(module, :__native_library__, 0)
  end

  defp examine(module) do
    file = if Code.ensure_loaded?(module) and library?(module), do: file(module.__native_library__())
    {hooks, error} = hooks(module)
    %{module: module, hooks: hooks, file: file, origin: origin(file), error: error}
  end

  defp file({app, crate}) do
    with {:ok, path} <- Pipeline.Native.Library.path(app, crate) do
      Enum.find([".so", ".dll"], &File.exists?("#{path}#{&1}")) |> then(&"#{path}#{&1}")
    else
      :not_built -> nil
    end
  end

  defp hooks(module) do
    {length(module.native_hooks()), nil}
  rescue
    error -> {0, Foreign.message(error)}
  end

  defp origin(nil), do: "no file"

  defp origin(file) do
    case Stamp.origin(file) do
      :built -> "built here with Cargo"
      {:artefact, name} -> "from the artefact #{Foreign.line(name)}"
      :changed -> "replaced since it was installed"
      :unknown -> "of unknown origin"
    end
  end

  @spec findings([Doctor.library()]) :: [Doctor.finding()]
  def findings(libraries) do
    for %{error: error} = library when error != nil <- libraries do
      %{
        severity: :error,
        area: :native,
        problem: "#{inspect(library.module)} has no native library: #{error}",
        advice:
          if(library.file,
            do:
              "#{Foreign.path(library.file)} is there and does not load: build it for this machine with " <>
                "PIPELINE_NATIVE_BUILD=1 mix compile",
            else:
              "run mix compile with Rust installed (https://rustup.rs), or name precompiled libraries with native_artefacts"
          )
      }
    end
  end
end
