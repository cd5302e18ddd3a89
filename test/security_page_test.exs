defmodule Pipeline.SecurityPageTest do
  # The claims of docs/security.md: that each names tests of this suite, and those that nothing else shows.
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Native
  alias Pipeline.Plugin.Security
  alias Pipeline.{Sandbox, Sandboxed}

  @moduletag :tmp_dir

  @page Path.expand("../docs/security.md", __DIR__)
  @root Path.expand("..", __DIR__)

  describe "the page" do
    test "names a test for each claim" do
      for claim <- claims() do
        assert cited(claim) != [], "no test is named for: #{claim}"
      end

      assert length(claims()) > 40
    end

    test "names tests that are there and run" do
      known = tests()

      for claim <- claims(), {module, name} <- cited(claim) do
        assert {module, name} in known, "there is no test #{inspect(name)} in #{module}, or it is skipped"
      end
    end
  end

  # The items of the lists below the headings, each with its tests.
  defp claims do
    [_introduction | tiers] = @page |> File.read!() |> String.split(~r/^## /m)

    for tier <- tiers,
        [_heading | items] = tier |> String.split(~r/^- /m),
        item <- items,
        do: item |> String.split("\n\n") |> hd()
  end

  defp cited(claim) do
    for [_, where, name] <- Regex.scan(~r/`([\w.\/]+) "([^`]+)"`/, claim), do: {where, name}
  end

  # What the suite runs, by module or Rust file.
  defp tests do
    elixir =
      for folder <- ["test", "packages/*/test"],
          path <- Path.wildcard(Path.join([@root, folder, "**/*_test.exs"])),
          do: elixir_tests(path)

    rust =
      for path <- Path.wildcard(Path.join(@root, "native/*/tests/*.rs")),
          [_, name] <- Regex.scan(~r/#\[test\]\s+fn (\w+)\(/, File.read!(path)),
          do: {Path.relative_to(path, @root), name}

    MapSet.new(List.flatten(elixir) ++ rust)
  end

  defp elixir_tests(path) do
    case path |> File.read!() |> Code.string_to_quoted!(unescape: false) do
      {:__block__, _, modules} -> Enum.map(modules, &tests_of/1)
      module -> tests_of(module)
    end
  end

  # An interpolated name is taken as it is written.
  defp tests_of({:defmodule, _, [{:__aliases__, _, parts}, [do: body]]}) do
    module = Enum.join(parts, ".")

    {_body, names} =
      Macro.prewalk(body, [], fn
        {:@, _, [{tag, _, [:skip]}]}, _names when tag in [:tag, :describetag, :moduletag] ->
          flunk("#{module} skips a test")

        {:test, _, [name | _]} = node, names ->
          {node, [written(name) | names]}

        node, names ->
          {node, names}
      end)

    for name <- names, do: {module, name}
  end

  defp tests_of(_other), do: []

  defp written(name) when is_binary(name), do: name

  defp written({:<<>>, _, parts}) do
    Enum.map_join(parts, fn
      {:"::", _, [{_, _, [inner]}, _]} -> "\#{#{Macro.to_string(inner)}}"
      text -> text
    end)
  end

  defp written(variable), do: "\#{#{Macro.to_string(variable)}}"

  defmodule Reaching do
    use Pipeline.Plugin, id: :reaching
    capability :nothing_at_all

    @impl Pipeline.Plugin
    def handle_rpc({:file, path}, state), do: {:reply, File.read(path), state}
    def handle_rpc({:send, pid}, state), do: {:reply, send(pid, :reached), state}
    def handle_rpc({:atom, text}, state), do: {:reply, String.to_atom(text), state}

    def handle_rpc({:code, module}, state) do
      {:module, ^module, _, _} = Module.create(module, quote(do: def(there, do: true)), __ENV__)
      {:reply, apply(module, :there, []), state}
    end

    def handle_rpc(:history, state), do: {:reply, :ok, state}

    def handle_rpc({:elsewhere, words}, state) do
      {pid, monitor} = spawn_monitor(fn -> exit({:made, length(Enum.to_list(1..words))}) end)
      receive do: ({:DOWN, ^monitor, :process, ^pid, reason} -> {:reply, reason, state})
    end
  end

  defp load(opts) do
    {:ok, :reaching} = Manager.load_plugin(Reaching, %{}, opts)
    :ok
  end

  test "a plugin reaches files, processes, atoms and the code of others", %{instance: instance} do
    opts = [instance: instance]
    load(opts)
    assert RPC.call(:reaching, {:file, @page}, 5_000, opts) == {:ok, File.read(@page)}
    assert {:ok, :reached} = RPC.call(:reaching, {:send, self()}, 5_000, opts)
    assert_received :reached
    text = "reached_#{System.unique_integer([:positive])}"
    assert {:ok, atom} = RPC.call(:reaching, {:atom, text}, 5_000, opts)
    assert Atom.to_string(atom) == text
    module = :"Elixir.Pipeline.Reached#{System.unique_integer([:positive])}"
    on_exit(fn -> Pipeline.InstanceCase.remove(module) end)
    assert RPC.call(:reaching, {:code, module}, 30_000, opts) == {:ok, true}
  end

  test "a capability is a statement, not a permission", %{instance: instance} do
    opts = [instance: instance]
    load(opts)
    refute Security.check_capability(:reaching, :files, opts)
    assert {:ok, {:ok, _}} = RPC.call(:reaching, {:file, @page}, 5_000, opts)
  end

  test "the history of a plugin keeps its last 50 transitions", %{instance: instance} do
    opts = [instance: instance]
    load(opts)

    for _ <- 1..40 do
      :ok = Manager.hold_plugin(:reaching, opts)
      {:ok, :started} = Manager.enable_plugin(:reaching, opts)
    end

    assert length(Manager.plugin_info!(:reaching, opts).history) == 50
  end

  test "max_heap holds for the process of a plugin, and not for what it starts", %{instance: instance} do
    opts = [instance: instance]
    {:ok, :reaching} = Manager.load_plugin(Reaching, %{}, [limits: [max_heap: 500_000]] ++ opts)
    assert {:ok, {:made, 1_000_000}} = RPC.call(:reaching, {:elsewhere, 1_000_000}, 30_000, opts)
  end

  test "a store that is torn under a running manager loses no plugin that an operator disabled", context do
    name = :"#{context.test} with a store"
    opts = [instance: name]
    path = Path.join(context.tmp_dir, "store")
    supervisor = start_supervised!({Manager, name: name, store: path}, id: :stored)
    load(opts)
    :ok = Manager.disable_plugin(:reaching, opts)

    for foreign <- ["torn", "", :binary.copy(<<0>>, 100_000)] do
      File.write!(path, foreign)
      manager = Pipeline.Instance.Names.whereis(name, :manager)
      monitor = Process.monitor(manager)
      Process.exit(manager, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^manager, _}
      await(fn -> Pipeline.Instance.Names.whereis(name, :manager) end)
      # It answers once it has begun.
      assert {:error, %Error{reason: {:not_loaded, :nobody}}} = Manager.unload_plugin(:nobody, opts)
      assert Manager.plugin_info!(:reaching, opts).state == :stopped
      assert Process.alive?(supervisor)
    end

    # The next to be written holds it again.
    {:ok, store} = Pipeline.Plugin.Store.open(path)
    assert Pipeline.Plugin.Store.disabled?(store, :reaching)
  end

  defp await(look), do: look.() || (:erlang.yield() && await(look))

  test "a panic in a native hook ends the run, not the VM" do
    {:ok, ending} = VmHooks.native_hook("ending", %{how: :panic})
    segment = VmHooks.segment(:before, [{ending, :halt}])
    assert {:failed, 0, message} = VmHooks.run_segment(segment, %{})
    assert message =~ "panic"
    assert VmHooks.run_segment(VmHooks.segment(:before, []), %{a: 1}) == {:ok, %{a: 1}}
  end

  test "every shipped hook is attacked and fuzzed" do
    shipped = for hook <- Native.native_hooks(), do: hook.name
    assert length(shipped) > 10
    attacked = for {_name, hook, _make} <- Pipeline.NativeAttacks.all(), uniq: true, do: to_string(hook)
    assert shipped -- attacked == []
    assert shipped -- Enum.map(Pipeline.NativeFuzz.Arguments.hooks(), &to_string/1) == []
  end

  test "the shipped native code keeps unsafe to one file of a crate" do
    for crate <- Path.wildcard(Path.join(@root, "native/*/src")) do
      unsafe =
        for file <- Path.wildcard(Path.join(crate, "**/*.rs")),
            File.read!(file) =~ ~r/\bunsafe (\{|impl|fn|extern)/,
            do: file

      assert length(unsafe) <= 1, inspect(unsafe)
    end
  end

  test "timeout: is refused for a native hook on a scheduler", %{instance: instance} do
    module =
      plugin id: :slow do
        hook :before, :step, native: :redact, config: %{field: :a, patterns: ["x"]}, timeout: 10
      end

    assert {:error, %Error{reason: {:invalid_hook, sentence}}} =
             Manager.load_plugin(module, %{}, instance: instance)

    assert sentence =~ "timeout: does not reach into a native hook"
  end

  test "a function without a list of modules reaches everything" do
    assert Sandbox.run(fn -> File.read(@page) end) == {:ok, File.read(@page)}
    assert {:ok, pid} = Sandbox.run(fn -> spawn(fn -> receive do: (:end -> :ok) end) end)
    assert Process.alive?(pid)
    send(pid, :end)
  end

  test "a module of the list may call what is not in it" do
    assert {:ok, [{:ok, _}]} = Sandbox.run(Sandboxed.allowed([@page]), allowed_modules: [Sandboxed, Enum])
  end

  test "a large binary does not count for the heap of a function that runs" do
    sized = fn -> byte_size(:binary.copy(<<0>>, 20_000_000)) end
    assert Sandbox.run(sized, max_heap: 1_000_000) == {:ok, 20_000_000}
  end
end
