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

  `mix pipeline.gen.plugin NAME --type TYPE --native` writes all of it. `examples/native_plugin` is a project
  that does it.

  `Pipeline.Native.Hooks` documents the hooks that are shipped. A hook of yours documents itself by its
  `DESCRIPTION`, and `mix pipeline.hooks --library MyApp.NativeHooks` prints that.

  Neighbouring hooks of one library run in one native call. A crate that calls `rustler::init!` itself,
  because it has other functions too, adds `load = pipeline_term::load` to it.

  ## Where hooks run

  A call with a hook of `cost: :heavy` in it runs on a dirty scheduler. All others start on the scheduler of
  the caller; one that takes longer than its budget (`config :pipeline_plugin, hook_budget: 500`,
  microseconds, or `:hook_budget` of `Pipeline.Plugin.Manager.start_link/1`) goes on on a dirty scheduler with
  its next hook, and calls that usually take longer start there. A hook that is running is not interrupted:
  declare it heavy if it alone takes that long, or implement `is_long` if that depends on the context.

  A crate has three traits to choose from:

    * `NativeHook` for `:before`, `:after` and `:replace`. With `Cost::Blocking` it may wait for a disk or a
      network: it then gets a thread of the library's runtime and a copy of the context, and
      `Cancellation::current()` tells it when nobody waits for it any more. A `:replace` hook that returns
      `Flow::Decline` leaves its place to the next one
    * `NativeAround` for `:around`, by `register_arounds!`: `enter` sees the context on its way in, `leave`
      what came out, a value or a failure as data; it lets that pass, replaces it, or goes in again
    * `AsyncHook` for what waits among thousands, by `register_async_hooks!`: an `async fn` that is given
      copies of the fields it names and returns what to change. It must not block

  A panic of any of them is a failure of that hook in that run. A hook that computes for ever cannot be
  stopped. On a normal scheduler the VM cannot stop either, until it is killed; a dirty scheduler is lost, and
  the VM can stop; on a thread (`Cost::Blocking`) the caller is free when its time is up, and one of 64
  threads is lost.

  ## Options

    * `:otp_app` - the application whose `priv/native/` holds the library (required)
    * `:crate` - the name of the crate, which is the name of the library (required)
  """

  alias Pipeline.Options

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
      def __native_library__, do: {unquote(app), unquote(crate)}

      @doc false
      def native_hooks, do: Pipeline.Native.Library.not_built(unquote(crate))
      @doc false
      def native_hook(_name, _config), do: Pipeline.Native.Library.not_built(unquote(crate))
      @doc false
      def segment(phase, hooks), do: segment(phase, hooks, Pipeline.Native.Segment.default_budget())
      @doc false
      def segment(_phase, _hooks, _budget), do: Pipeline.Native.Library.not_built(unquote(crate))
      @doc false
      def segment_stats(_segment), do: Pipeline.Native.Library.not_built(unquote(crate))
      @doc false
      def run_segment(_segment, _context), do: Pipeline.Native.Library.not_built(unquote(crate))
      @doc false
      def run_segment_dirty(_segment, _context), do: Pipeline.Native.Library.not_built(unquote(crate))
      @doc false
      def breaker_new(_failures, _window, _cool_down, _trials),
        do: Pipeline.Native.Library.not_built(unquote(crate))

      @doc false
      def breaker_admit(_breaker), do: Pipeline.Native.Library.not_built(unquote(crate))
      @doc false
      def breaker_failed(_breaker, _permit), do: Pipeline.Native.Library.not_built(unquote(crate))
      @doc false
      def breaker_passed(_breaker, _permit), do: Pipeline.Native.Library.not_built(unquote(crate))
      @doc false
      def breaker_reset(_breaker), do: Pipeline.Native.Library.not_built(unquote(crate))
      @doc false
      def breaker_counts(_breaker), do: Pipeline.Native.Library.not_built(unquote(crate))
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
    with :ok <- Options.check(opts, @options, "use Pipeline.Native.Library"),
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
    :erlang.nif_error(%RuntimeError{message: missing(crate, :erlang.module_loaded(Mix))})
  end

  # In a project, and in a program that was made from one.
  defp missing(crate, true) do
    "the native library #{crate} is not built: in mix.exs, list :pipeline_native under compilers: and " <>
      "#{crate} under pipeline_native:, then run mix compile"
  end

  defp missing(crate, false) do
    "the native library #{crate} is missing: this program has no file priv/native/#{crate}.so of the application that it " <>
      "belongs to. An escript or an archive cannot hold one: run a release (mix release). In an image, copy the priv " <>
      "directory of the application too"
  end
end
