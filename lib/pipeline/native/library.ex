defmodule Pipeline.Native.Library do
  @moduledoc """
  Makes a module the door to a native library with hooks of its own.

      defmodule MyApp.NativeHooks do
        use Pipeline.Native.Library, otp_app: :my_app, crate: :my_hooks
      end

  The crate depends on `pipeline_term`, registers its hooks with `pipeline_term::register_hooks!` and calls
  `pipeline_term::library!("Elixir.MyApp.NativeHooks")`. The project builds it with the compiler
  `Mix.Tasks.Compile.PipelineNative`, naming this module, and plugins use its hooks by module and name:

      hook :before, :execute_node, native: {MyApp.NativeHooks, :shout}, config: %{field: :text}

  `mix pipeline.gen.plugin NAME --type TYPE --native` writes all of it. `examples/native_plugin` is a project that does
  it.

  Neighbouring hooks of one library run in one native call.

  ## Options

    * `:otp_app` - the application whose `priv/native/` holds the library (required)
    * `:crate` - the name of the crate, which is the name of the library (required)
  """

  alias Pipeline.Plugin.Suggestion

  @options [:otp_app, :crate]

  @doc false
  defmacro __using__(opts) do
    [app, crate] = options!(opts, __CALLER__)

    quote do
      @on_load :__load_native__

      @doc false
      def __load_native__ do
        case Pipeline.Native.Library.path(unquote(app), unquote(crate)) do
          {:ok, path} -> :erlang.load_nif(path, 0)
          # While the library is being compiled for the first time there is nothing to load. The compiler task
          # unloads this module once there is.
          :not_built -> :ok
        end
      end

      @doc false
      def native_hooks, do: Pipeline.Native.Library.not_built(unquote(crate))
      @doc false
      def native_hook(_name, _config), do: Pipeline.Native.Library.not_built(unquote(crate))
      @doc false
      def segment(_phase, _hooks), do: Pipeline.Native.Library.not_built(unquote(crate))
      @doc false
      def run_segment(_segment, _context), do: Pipeline.Native.Library.not_built(unquote(crate))
      @doc false
      def run_segment_dirty(_segment, _context), do: Pipeline.Native.Library.not_built(unquote(crate))
      @doc false
      def enter_around(_around, _context), do: Pipeline.Native.Library.not_built(unquote(crate))
      @doc false
      def enter_around_dirty(_around, _context), do: Pipeline.Native.Library.not_built(unquote(crate))
      @doc false
      def leave_around(_around, _visit, _context, _ended),
        do: Pipeline.Native.Library.not_built(unquote(crate))

      @doc false
      def leave_around_dirty(_around, _visit, _context, _ended),
        do: Pipeline.Native.Library.not_built(unquote(crate))

      @doc false
      def start_hook(_hook, _phase, _context, _reference),
        do: Pipeline.Native.Library.not_built(unquote(crate))

      @doc false
      def cancel_hook(_run), do: Pipeline.Native.Library.not_built(unquote(crate))
      @doc false
      def finish_async(_run, _context), do: Pipeline.Native.Library.not_built(unquote(crate))
    end
  end

  defp options!(opts, caller) do
    with :ok <- Suggestion.check_options(opts, @options, "use Pipeline.Native.Library"),
         nil <- Enum.find(@options, &(not is_atom(opts[&1]) or opts[&1] == nil)) do
      Enum.map(@options, &opts[&1])
    else
      {:error, message} -> fail!(caller, message)
      key -> fail!(caller, "use Pipeline.Native.Library takes #{inspect(key)}: an atom, #{purpose(key)}")
    end
  end

  defp purpose(:otp_app), do: "the application whose priv/native/ holds the library"
  defp purpose(:crate), do: "the name of the crate"

  defp fail!(caller, message) do
    raise CompileError, file: caller.file, line: caller.line, description: message
  end

  @doc false
  @spec path(atom, atom) :: {:ok, charlist} | :not_built
  def path(app, crate) do
    with dir when is_list(dir) <- :code.priv_dir(app),
         path = Path.join([dir, "native", Atom.to_string(crate)]),
         true <- Enum.any?([".so", ".dll"], &File.exists?(path <> &1)) do
      {:ok, String.to_charlist(path)}
    else
      _ -> :not_built
    end
  end

  # Says `any` of a function that never returns: the library puts its own in place of those that call it.
  @doc false
  @spec not_built(atom) :: any
  def not_built(crate) do
    :erlang.nif_error(%RuntimeError{
      message:
        "the native library #{crate} is not built: in mix.exs, list :pipeline_native under compilers: and " <>
          "#{crate} under pipeline_native:, then run mix compile"
    })
  end
end
