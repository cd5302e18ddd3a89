defmodule Pipeline.Package.ProtocolsOfElixirTest do
  # The protocols of Elixir change under everybody's feet.
  use Pipeline.InstanceCase, async: false

  alias Pipeline.{Package, Packages}

  @protocols [String.Chars, Enumerable, Inspect]

  @source """
  defmodule NAME.Gift do
    defstruct [:cents]
  end

  defimpl String.Chars, for: NAME.Gift do
    def to_string(gift), do: "gift VERSION \#{gift.cents}"
  end

  EXTRA

  defmodule NAME.Plugin do
    use Pipeline.Plugin, id: :ID, version: "VERSION"

    @impl true
    def init(config) do
      "gift VERSION 1" = to_string(struct(NAME.Gift, cents: 1))
      {:ok, config}
    end

    @impl true
    def code_change(_from, _state, :refuse), do: {:error, :refused}
    def code_change(_from, state, _extra), do: {:ok, state}
  end
  """

  @enumerable """
  defimpl Enumerable, for: NAME.Gift do
    def count(_gift), do: {:error, __MODULE__}
    def member?(_gift, _element), do: {:error, __MODULE__}
    def slice(_gift), do: {:error, __MODULE__}
    def reduce(gift, acc, fun), do: Enumerable.List.reduce(List.duplicate(:cent, gift.cents), acc, fun)
  end

  defimpl Inspect, for: NAME.Gift do
    def inspect(gift, _opts), do: "#Gift<\#{gift.cents}>"
  end
  """

  @moduletag :capture_log

  setup do
    for protocol <- @protocols, do: assert(protocol.__protocol__(:consolidated?))
    before = md5s()
    on_exit(fn -> assert md5s() == before end)
    folder = Packages.folder!()
    instance = {:protocols_test, System.unique_integer([:positive])}
    start_supervised!({Manager, name: instance, packages: folder})
    %{instance: instance, folder: folder, before: before, compiler: Packages.start_compiler!()}
  end

  defp md5s, do: for(protocol <- @protocols, do: {protocol, protocol.module_info(:md5)})

  defp names do
    id = :"gifts_#{System.unique_integer([:positive])}"
    {id, Module.concat([Macro.camelize("#{id}")])}
  end

  defp build!(id, name, version, extra, compiler) do
    source =
      for {from, to} <- [
            {"EXTRA", extra},
            {"NAME", inspect(name)},
            {":ID", inspect(id)},
            {"VERSION", version}
          ],
          reduce: @source,
          do: (source -> String.replace(source, from, to))

    Packages.build!(Packages.app!(id, version, source, compiler: compiler)).bytes
  end

  defp gift(name, cents), do: struct(Module.concat(name, Gift), cents: cents)

  test "an implementation that a package brings works, and goes with it", context do
    {id, name} = names()
    bytes = build!(id, name, "1.0.0", @enumerable, context.compiler)
    Package.install!(bytes, instance: context.instance)
    {:ok, ^id} = Manager.load_plugin("#{id}", %{}, instance: context.instance)
    gift = gift(name, 3)

    assert to_string(gift) == "gift 1.0.0 3"
    assert Enum.to_list(gift) == [:cent, :cent, :cent]
    assert inspect(gift) == "#Gift<3>"
    assert String.Chars.impl_for(gift) == Module.concat(String.Chars, gift.__struct__)

    # All others find theirs as before.
    assert to_string(1.5) == "1.5"
    assert to_string(:a) == "a"
    assert "#{~D[2026-12-01]} #{URI.parse("http://a")}" == "2026-12-01 http://a"
    assert inspect(~D[2026-12-01]) == "~D[2026-12-01]"
    assert inspect({[1], %{a: self()}, make_ref(), fn -> 1 end, hd(Port.list())}) =~ "%{a: #PID<"
    assert Enum.map(%{a: 1}, & &1) == [a: 1]
    assert Enum.sum(1..3) == 6
    error = assert_raise Protocol.UndefinedError, fn -> to_string(%{}) end
    assert %{protocol: String.Chars, value: value} = error
    assert value == %{}
    assert_raise Protocol.UndefinedError, fn -> Enum.to_list(%Version{major: 1, minor: 0, patch: 0}) end
    assert is_binary(Exception.message(error))

    # A protocol says of itself what it did.
    assert String.Chars.__protocol__(:module) == String.Chars
    assert String.Chars.__protocol__(:functions) == [to_string: 1]
    assert {:consolidated, types} = String.Chars.__protocol__(:impls)
    assert gift.__struct__ in types and Date in types
    assert String.Chars.__info__(:module) == String.Chars
    assert String.Chars.__info__(:md5) == String.Chars.module_info(:md5)
    assert String.Chars.__info__(:macros) == []
    assert String.Chars.behaviour_info(:callbacks) == [to_string: 1]
    assert String.Chars.module_info(:attributes)[:__protocol__] == [fallback_to_any: false]
    assert Protocol.assert_protocol!(String.Chars) == :ok

    :ok = Manager.unload_plugin(id, instance: context.instance, purge: true)
    assert md5s() == context.before
    assert_raise Protocol.UndefinedError, fn -> to_string(gift) end
  end

  test "a consolidated protocol stays as it is with a package that implements none", context do
    {id, name} = names()
    source = "defmodule #{inspect(name)}.Plugin do use Pipeline.Plugin, id: #{inspect(id)} end"
    app = Packages.app!(id, "1.0.0", source, compiler: context.compiler)
    Package.install!(Packages.build!(app).bytes, instance: context.instance)
    {:ok, ^id} = Manager.load_plugin("#{id}", %{}, instance: context.instance)
    assert md5s() == context.before
    :ok = Manager.unload_plugin(id, instance: context.instance, purge: true)
  end

  test "upgrade and rollback change which implementations there are", context do
    {id, name} = names()

    for {version, extra} <- [{"1.0.0", ""}, {"2.0.0", @enumerable}],
        do: Package.install!(build!(id, name, version, extra, context.compiler), instance: context.instance)

    {:ok, ^id} = Manager.load_plugin("#{id}-1.0.0", %{}, instance: context.instance)
    gift = gift(name, 2)
    assert to_string(gift) == "gift 1.0.0 2"
    assert_raise Protocol.UndefinedError, fn -> Enum.to_list(gift) end

    assert {:ok, "2.0.0"} = Package.upgrade(id, "#{id}-2.0.0", instance: context.instance)
    assert to_string(gift) == "gift 2.0.0 2"
    assert Enum.to_list(gift) == [:cent, :cent]

    assert {:ok, "1.0.0"} = Package.upgrade(id, "#{id}-1.0.0", instance: context.instance)
    assert to_string(gift) == "gift 1.0.0 2"
    assert_raise Protocol.UndefinedError, fn -> Enum.to_list(gift) end
    assert Enumerable.module_info(:md5) == context.before[Enumerable]

    # One that fails leaves what was there.
    assert {:error, _} = Package.upgrade(id, "#{id}-2.0.0", instance: context.instance, extra: :refuse)
    assert to_string(gift) == "gift 1.0.0 2"
    assert_raise Protocol.UndefinedError, fn -> Enum.to_list(gift) end

    :ok = Manager.unload_plugin(id, instance: context.instance, purge: true)
    assert md5s() == context.before
  end

  test "packages do not lose each other's, and the last takes all along", context do
    [first, second] = for _ <- 1..2, do: names()

    for {id, name} <- [first, second] do
      Package.install!(build!(id, name, "1.0.0", "", context.compiler), instance: context.instance)
      {:ok, ^id} = Manager.load_plugin("#{id}", %{}, instance: context.instance)
    end

    other = {:other, context.instance}
    start_supervised!({Manager, name: other, packages: context.folder})
    {id, name} = first
    {:ok, ^id} = Manager.load_plugin("#{id}", %{}, instance: other)
    for {_id, name} <- [first, second], do: assert(to_string(gift(name, 1)) == "gift 1.0.0 1")

    # The other instance has it still.
    :ok = Manager.unload_plugin(id, instance: context.instance, purge: true)
    assert to_string(gift(name, 1)) == "gift 1.0.0 1"
    gift = gift(name, 1)
    :ok = Manager.unload_plugin(id, instance: other, purge: true)
    assert_raise Protocol.UndefinedError, fn -> to_string(gift) end

    {id, name} = second
    assert to_string(gift(name, 1)) == "gift 1.0.0 1"
    :ok = Manager.unload_plugin(id, instance: context.instance, purge: true)
    assert md5s() == context.before
  end

  test "a server that was killed leaves protocols as its successor finds them", context do
    {id, name} = names()
    Package.install!(build!(id, name, "1.0.0", "", context.compiler), instance: context.instance)
    {:ok, ^id} = Manager.load_plugin("#{id}", %{}, instance: context.instance)
    server = Process.whereis(Package.Server)
    monitor = Process.monitor(server)

    ExUnit.CaptureLog.capture_log(fn ->
      Process.exit(server, :kill)
      assert_receive {:DOWN, ^monitor, _, _, _}
      assert to_string(gift(name, 1)) == "gift 1.0.0 1"
      assert :ok = unload(id, context.instance)
    end)

    assert md5s() == context.before
  end

  test "a file that is gone or another one is not missed: the code that was there comes back", context do
    {id, name} = names()
    protocol = Module.concat(name, Listing)
    folder = Packages.folder!()
    on_exit(fn -> :code.del_path(String.to_charlist(folder)) end)

    [code, other] =
      for text <- ["host", "another"] do
        [{_file, code}] = Packages.compile!(context.compiler, consolidated(protocol, text))
        code
      end

    file = Path.join(folder, "#{protocol}.beam")
    File.write!(file, code)
    :code.add_pathz(String.to_charlist(folder))
    {:module, ^protocol} = Code.ensure_loaded(protocol)

    extra = """
    defmodule #{inspect(protocol)}.Range do
      Module.register_attribute(__MODULE__, :__impl__, persist: true)
      @__impl__ [protocol: #{inspect(protocol)}, for: Range]
      def __impl__(:protocol), do: #{inspect(protocol)}
      def __impl__(:for), do: Range
      def name(_range), do: :range
    end
    """

    Package.install!(build!(id, name, "1.0.0", extra, context.compiler), instance: context.instance)

    for change <- [fn -> File.write!(file, other) end, fn -> File.rm!(file) end] do
      {:ok, ^id} = Manager.load_plugin("#{id}", %{}, instance: context.instance)
      assert protocol.name(1..2) == :range
      # Where the host has it from is not forgotten.
      assert :code.which(protocol) == String.to_charlist(file)
      change.()
      :ok = Manager.unload_plugin(id, instance: context.instance, purge: true)
      assert protocol.module_info(:md5) == :code.module_md5(code)
      File.write!(file, code)
    end

    for function <- [:purge, :delete, :purge], do: apply(:code, function, [protocol])
  end

  # As Elixir makes one.
  defp consolidated(protocol, text) do
    """
    defmodule #{inspect(protocol)} do
      @callback name(term) :: term
      def __protocol__(:module), do: __MODULE__
      def __protocol__(:functions), do: [name: 1]
      def __protocol__(:consolidated?), do: true
      def __protocol__(:impls), do: {:consolidated, []}
      def impl_for(#{inspect(text)}), do: nil
      def impl_for(_value), do: nil
      def impl_for!(value), do: raise(Protocol.UndefinedError, protocol: __MODULE__, value: value)
      def name(value), do: impl_for!(value).name(value)
    end
    """
  end

  test "modules that look like implementations harm nobody", context do
    {id, name} = names()
    server = Process.whereis(Package.Server)

    extra = """
    defmodule #{inspect(name)}.Raises do
      def __impl__(_question), do: raise("no")
    end

    defmodule #{inspect(name)}.OfNone do
      Module.register_attribute(__MODULE__, :__impl__, persist: true)
      @__impl__ [protocol: :lists, for: Range]
      def __impl__(:protocol), do: :lists
      def __impl__(:for), do: Range
    end
    """

    Package.install!(build!(id, name, "1.0.0", extra, context.compiler), instance: context.instance)
    assert {:ok, ^id} = Manager.load_plugin("#{id}", %{}, instance: context.instance)
    :ok = Manager.unload_plugin(id, instance: context.instance, purge: true)
    assert Process.whereis(Package.Server) == server
  end

  # Until the server is there again.
  defp unload(id, instance) do
    if Process.whereis(Package.Server),
      do: Manager.unload_plugin(id, instance: instance, purge: true),
      else: unload(id, instance)
  end

  test "a process that calls a protocol all the time notices nothing", context do
    {id, name} = names()
    Package.install!(build!(id, name, "1.0.0", @enumerable, context.compiler), instance: context.instance)
    caller = spawn_link(fn -> call() end)

    for _ <- 1..20 do
      {:ok, ^id} = Manager.load_plugin("#{id}", %{}, instance: context.instance)
      :ok = Manager.unload_plugin(id, instance: context.instance, purge: true)
    end

    assert Process.alive?(caller)
    Process.unlink(caller)
    Process.exit(caller, :kill)
  end

  defp call do
    "1" = to_string(1)
    [1] = Enum.map([1], & &1)
    call()
  end
end
