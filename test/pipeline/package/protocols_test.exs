defmodule Pipeline.Package.ProtocolsTest do
  # Protocols that are consolidated as in production; each test has one of its own.
  use Pipeline.InstanceCase, async: true

  alias Pipeline.{Package, Packages}
  alias Pipeline.Package.Units

  @moduletag :capture_log
  @moduletag :tmp_dir

  setup_all do
    {:ok, compiler: Packages.start_compiler!()}
  end

  setup %{tmp_dir: tmp_dir} do
    name = :"protocols_#{System.unique_integer([:positive])}"

    {:ok,
     name: name,
     module: "Elixir.#{Macro.camelize("#{name}")}" |> String.replace("Elixir.", ""),
     path: tmp_dir,
     folder: Packages.folder!()}
  end

  # The host's, in the code path.
  defp protocol!(context, source \\ "", types \\ [Integer]) do
    protocol = Module.concat([context.module, Words])

    impls =
      for type <- types,
          do:
            "defimpl #{inspect(protocol)}, for: #{inspect(type)} do\n def words(_), do: \"#{inspect(type)} of the host\"\n def twice(a, b), do: {a, b}\nend\n"

    source =
      "defprotocol #{inspect(protocol)} do\n#{source}\n@spec words(t) :: String.t()\ndef words(value)\ndef twice(value, other)\nend\n" <>
        Enum.join(impls)

    folder = Pipeline.Elsewhere.compile!(source)
    files = Path.wildcard(folder <> "/*.beam")
    for file <- files, do: File.cp!(file, Path.join(context.path, Path.basename(file)))
    Code.prepend_path(context.path)
    {:ok, binary} = Protocol.consolidate(protocol, types)
    {:ok, {^protocol, binary}} = strip(binary)
    file = Path.join(context.path, "#{protocol}.beam")
    File.write!(file, binary)
    remove(protocol)
    {:module, ^protocol} = Code.ensure_loaded(protocol)

    on_exit(fn ->
      for file <- files, do: file |> Path.basename(".beam") |> String.to_atom() |> remove()
      Code.delete_path(context.path)
    end)

    {protocol, binary}
  end

  # As a release does.
  defp strip(binary) do
    {:ok, module, chunks} = :beam_lib.all_chunks(binary)
    kept = for {name, _} = chunk <- chunks, name not in [~c"Dbgi", ~c"Docs", ~c"ExCk"], do: chunk
    {:ok, stripped} = :beam_lib.build_module(kept)
    {:ok, {module, stripped}}
  end

  defp package!(context, name, version, types, opts \\ []) do
    impls =
      for type <- types do
        """
        defmodule #{context.module}.#{type}, do: defstruct [:name]
        defimpl #{context.module}.Words, for: #{context.module}.#{type} do
          def words(value), do: "#{type} \#{value.name} of #{version}"
          def twice(value, other), do: [value.name, other]
        end
        """
      end

    source = """
    #{impls}
    #{opts[:more]}
    defmodule #{context.module}.#{Macro.camelize(name)} do
      use Pipeline.Plugin, id: :#{name}, version: "#{version}"
      @impl true
      def init(config), do: if(config[:fails], do: {:error, :no}, else: {:ok, config})
      @impl true
      def code_change(_, state, extra), do: if(extra == :refuse, do: {:error, :refused}, else: {:ok, state})
    end
    """

    protocol = "defprotocol #{context.module}.Words do\ndef words(value)\ndef twice(value, other)\nend\n"
    # Compiled against the protocol, which stays with the host.
    app = Packages.app!(String.to_atom(name), version, source, compiler: context.compiler, against: protocol)
    Package.install!(Packages.build!(app).bytes, packages: context.folder)
  end

  defp load(context, name, config \\ %{}),
    do: Manager.load_plugin(Path.join(context.folder, name), config, instance: context.instance)

  defp gift(context, type, name), do: struct!(Module.concat([context.module, type]), name: name)

  defp words(protocol, value), do: protocol.words(value)

  test "know what a package brings, and no more once it is gone", context do
    {protocol, host} = protocol!(context)
    name = "#{context.name}"
    package!(context, name, "1.0.0", ["Gift"])
    assert_raise Protocol.UndefinedError, fn -> words(protocol, {}) end

    {:ok, id} = load(context, name <> "-1.0.0")
    gift = gift(context, "Gift", "a book")
    assert words(protocol, gift) == "Gift a book of 1.0.0"
    assert protocol.twice(gift, 2) == ["a book", 2]
    assert words(protocol, 1) == "Integer of the host"
    assert protocol.impl_for(gift) == Module.concat(protocol, gift.__struct__)
    assert protocol.impl_for(%{__struct__: :nobody}) == nil
    assert protocol.impl_for(%{}) == nil

    assert {:consolidated, [Integer, Module.concat([context.module, "Gift"])] |> Enum.sort()} ==
             protocol.__protocol__(:impls)

    error = assert_raise Protocol.UndefinedError, fn -> words(protocol, "text") end
    assert %{protocol: ^protocol, value: "text"} = error

    :ok = Manager.unload_plugin(id, instance: context.instance, purge: true)
    assert protocol.module_info(:md5) == :code.module_md5(host)
    assert_raise Protocol.UndefinedError, fn -> words(protocol, gift) end
    refute :erlang.check_old_code(protocol) and not :code.soft_purge(protocol)
  end

  test "answer all that they did before", context do
    {protocol, _host} =
      protocol!(context, "@fallback_to_any true\n@doc \"x\"", [Integer, Atom, List, Tuple, Map, Any])

    values = [
      1,
      :a,
      nil,
      [],
      [1],
      {},
      %{},
      %{__struct__: :nobody},
      1.5,
      "",
      <<1::1>>,
      self(),
      make_ref(),
      &is_atom/1,
      hd(Port.list()),
      1..2
    ]

    asked = fn ->
      [
        for(value <- values, do: {protocol.impl_for(value), protocol.words(value), protocol.twice(value, 1)}),
        for(key <- [:module, :functions, :consolidated?], do: protocol.__protocol__(key)),
        for(key <- [:module, :functions, :macros, :exports_md5, :deprecated], do: protocol.__info__(key)),
        for(key <- [:callbacks, :optional_callbacks], do: protocol.behaviour_info(key)),
        Enum.sort(protocol.module_info(:exports)),
        protocol.module_info(:attributes)[:__protocol__],
        Protocol.consolidated?(protocol)
      ]
    end

    before = asked.()
    name = "#{context.name}"
    package!(context, name, "1.0.0", ["Gift"])
    {:ok, _} = load(context, name <> "-1.0.0")
    assert asked.() == before
    assert words(protocol, gift(context, "Gift", "x")) == "Gift x of 1.0.0"
  end

  test "know what several packages bring, each as long as it is there", context do
    {protocol, host} = protocol!(context)
    [one, two] = for n <- 1..2, do: "#{context.name}_#{n}"
    package!(context, one, "1.0.0", ["Gift"])
    package!(context, two, "1.0.0", ["Card"])
    {:ok, first} = load(context, one <> "-1.0.0")
    {:ok, second} = load(context, two <> "-1.0.0")
    [gift, card] = for type <- ["Gift", "Card"], do: gift(context, type, "x")
    assert {words(protocol, gift), words(protocol, card)} == {"Gift x of 1.0.0", "Card x of 1.0.0"}
    :ok = Manager.unload_plugin(first, instance: context.instance, purge: true)
    assert_raise Protocol.UndefinedError, fn -> words(protocol, gift) end
    assert words(protocol, card) == "Card x of 1.0.0"
    :ok = Manager.unload_plugin(second, instance: context.instance, purge: true)
    assert protocol.module_info(:md5) == :code.module_md5(host)
  end

  test "two packages for one type are refused by a sentence that names both", context do
    {protocol, _host} = protocol!(context)
    [one, two] = for n <- 1..2, do: "#{context.name}_#{n}"
    package!(context, one, "1.0.0", ["Gift"])
    package!(context, two, "2.0.0", ["Gift"])
    {:ok, _} = load(context, one <> "-1.0.0")
    assert {:error, %Error{reason: {:module_clash, clashes}} = error} = load(context, two <> "-2.0.0")
    assert Enum.any?(clashes, &match?({_, "the package " <> _}, &1))
    assert Exception.message(error) =~ two
    assert Exception.message(error) =~ "the package #{one} 1.0.0"
    assert words(protocol, gift(context, "Gift", "x")) == "Gift x of 1.0.0"
  end

  test "an upgrade, a rollback and a refused upgrade change them with the package", context do
    {protocol, _host} = protocol!(context)
    name = "#{context.name}"
    package!(context, name, "1.0.0", ["Gift"])
    package!(context, name, "2.0.0", ["Gift", "Card"])
    {:ok, id} = load(context, name <> "-1.0.0")
    opts = [instance: context.instance]

    upgrade = fn version, more ->
      Package.upgrade(id, Path.join(context.folder, "#{name}-#{version}"), opts ++ more)
    end

    gift = gift(context, "Gift", "x")

    assert {:error, %Error{}} = upgrade.("2.0.0", extra: :refuse)
    assert words(protocol, gift) == "Gift x of 1.0.0"
    assert length(elem(protocol.__protocol__(:impls), 1)) == 2

    assert upgrade.("2.0.0", []) == {:ok, "2.0.0"}
    assert words(protocol, gift) == "Gift x of 2.0.0"
    card = gift(context, "Card", "y")
    assert words(protocol, card) == "Card y of 2.0.0"

    assert upgrade.("1.0.0", []) == {:ok, "1.0.0"}
    assert words(protocol, gift) == "Gift x of 1.0.0"
    assert_raise Protocol.UndefinedError, fn -> words(protocol, card) end
  end

  test "a load that fails leaves them as they were", context do
    {protocol, host} = protocol!(context)
    name = "#{context.name}"
    package!(context, name, "1.0.0", ["Gift"])
    assert {:error, %Error{step: :init}} = load(context, name <> "-1.0.0", %{fails: true})
    assert protocol.module_info(:md5) == :code.module_md5(host)
    refute Enum.any?(Units.all(), fn {path, _unit} -> String.starts_with?(path, context.folder) end)
  end

  test "one whose code is not that of its file is refused, and nothing is loaded", context do
    {protocol, _host} = protocol!(context)
    File.rm!(Path.join(context.path, "#{protocol}.beam"))
    name = "#{context.name}"
    package!(context, name, "1.0.0", ["Gift"])

    assert {:error, %Error{reason: {:protocol, ^protocol, :changed}} = error} =
             load(context, name <> "-1.0.0")

    assert Exception.message(error) =~
             "it implements the protocol #{inspect(protocol)}, which is consolidated in the host"

    refute :erlang.module_loaded(Module.concat([context.module, "Gift"]))
  end

  test "a caller always finds an implementation while others come and go", context do
    {protocol, _host} = protocol!(context)
    [one, two] = for n <- 1..2, do: "#{context.name}_#{n}"
    package!(context, one, "1.0.0", ["Gift"])
    package!(context, two, "1.0.0", ["Card"])
    {:ok, _} = load(context, one <> "-1.0.0")
    gift = gift(context, "Gift", "x")
    caller = Task.async(fn -> call(protocol, gift, 0) end)

    for _ <- 1..20 do
      {:ok, id} = load(context, two <> "-1.0.0")
      :ok = Manager.unload_plugin(id, instance: context.instance, purge: true)
    end

    send(caller.pid, :stop)
    assert Task.await(caller) > 0
  end

  defp call(protocol, gift, calls) do
    "Gift x of 1.0.0" = protocol.words(gift)
    receive do: (:stop -> calls + 1), after: (0 -> call(protocol, gift, calls + 1))
  end
end
