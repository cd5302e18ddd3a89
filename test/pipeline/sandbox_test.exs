defmodule Pipeline.SandboxTest do
  use ExUnit.Case, async: true

  alias Pipeline.{Sandbox, Sandboxed}

  doctest Pipeline.Sandbox

  describe "a function in a process of its own" do
    test "returns its value" do
      test = self()
      assert {:ok, pid} = Sandbox.run(fn -> self() end)
      refute pid == test
      refute Process.alive?(pid)
    end

    test "harms only itself, whatever it ends with" do
      assert {:error, {:raised, %RuntimeError{message: "no luck"}, [_ | _]} = reason} =
               Sandbox.run(fn -> raise "no luck" end)

      assert Sandbox.format_error(reason) == "it raised ** (RuntimeError) no luck"
      assert {:error, {:raised, %ErlangError{original: :odd}, _}} = Sandbox.run(fn -> :erlang.error(:odd) end)
      assert Sandbox.run(fn -> exit(:normal) end) == {:error, {:exit, :normal}}
      assert Sandbox.run(fn -> throw(:ball) end) == {:error, {:throw, :ball}}

      assert Sandbox.run(fn -> Process.exit(self(), :kill) end, max_heap: :infinity) ==
               {:error, {:exit, :killed}}
    end

    test "is killed when its time is up, though it takes no messages" do
      test = self()

      assert Sandbox.run(
               fn ->
                 send(test, {:me, self()})
                 spin()
               end,
               timeout: 500
             ) == {:error, :timeout}

      assert_received {:me, pid}
      refute Process.alive?(pid)
    end

    test "is killed when its heap grows too large" do
      assert Sandbox.run(fn -> Enum.to_list(1..1_000_000) end, max_heap: 100_000) == {:error, :max_heap}
      assert {:ok, [_ | _]} = Sandbox.run(fn -> Enum.to_list(1..1_000_000) end, max_heap: :infinity)
    end

    test "ends with its caller" do
      test = self()

      {caller, monitor} =
        spawn_monitor(fn ->
          Sandbox.run(
            fn ->
              send(test, {:me, self()})
              receive do: (:never -> :ok)
            end,
            timeout: :infinity
          )
        end)

      assert_receive {:me, pid}
      inner = Process.monitor(pid)
      Process.exit(caller, :kill)
      assert_receive {:DOWN, ^monitor, _, _, :killed}
      assert_receive {:DOWN, ^inner, _, _, :killed}
    end

    test "takes what it is linked to along, but not the caller" do
      test = self()

      assert {:ok, linked} =
               Sandbox.run(fn ->
                 linked = spawn_link(fn -> receive do: (:never -> :ok) end)
                 send(test, {:linked, linked})
                 linked
               end)

      monitor = Process.monitor(linked)
      assert_receive {:DOWN, ^monitor, _, _, _}
    end

    test "leaves the caller's mailbox alone" do
      send(self(), :mine)
      {:ok, _} = Sandbox.run(fn -> :ok end)
      {:error, :timeout} = Sandbox.run(fn -> receive do: (:never -> :ok) end, timeout: 0)
      assert Process.info(self(), :messages) == {:messages, [:mine]}
    end
  end

  describe "what crosses to the caller" do
    @limit 1_000_000

    test "is no larger than max_heap, though a copy shares nothing" do
      assert {:ok, {_, _}} = Sandbox.run(Sandboxed.doubled(8), max_heap: @limit)

      # Deeper, the copy of a version that does not look ends the VM.
      assert Sandbox.run(Sandboxed.doubled(19), max_heap: @limit) == {:error, :max_heap}
      assert Sandbox.run(Sandboxed.doubled(19), max_heap: @limit, allowed_modules: []) == {:error, :max_heap}

      for kind <- [:error, :exit, :throw] do
        assert Sandbox.run(Sandboxed.doubled_failure(19, kind), max_heap: @limit) == {:error, :max_heap}
      end
    end

    test "counts binaries, which are not on the heap" do
      assert {:ok, <<_, _::binary>>} = Sandbox.run(Sandboxed.large_binary(100_000), max_heap: @limit)
      assert Sandbox.run(Sandboxed.large_binary(2_000_000), max_heap: @limit) == {:error, :max_heap}
      assert {:ok, _} = Sandbox.run(Sandboxed.large_binary(2_000_000), max_heap: :infinity)
    end

    test "so is what the function closes over, also where functions are in it" do
      shared = Sandboxed.double([1], 19)
      fun = fn -> tuple_size(shared) end
      assert Sandbox.run(fun, max_heap: @limit) == {:error, :max_heap}
      assert Sandbox.run(fun, max_heap: @limit, allowed_modules: []) == {:error, :max_heap}
      assert Sandbox.run(fn -> is_function(fun) end, max_heap: @limit) == {:error, :max_heap}
      assert Sandbox.run(fn -> map_size(%{shared => 1}) end, max_heap: @limit) == {:error, :max_heap}
    end
  end

  describe "errors" do
    setup do
      on_exit(fn -> :persistent_term.erase({Sandboxed, :escaped}) end)
    end

    @explained [{:m, :f, 0, [error_info: %{module: Sandboxed, function: :escape}]}]

    test "are explained by nobody whom the function names" do
      for fun <- [Sandboxed.explained(), Sandboxed.explained_by_stacktrace()] do
        assert {:error, {:not_allowed, [{{:erlang, _, 3}, _}]}} = Sandbox.run(fun, allowed_modules: [])

        assert {:error, {:raised, %ArgumentError{}, [{_, _, _, location} | _]} = reason} = Sandbox.run(fun)
        refute Keyword.has_key?(location, :error_info)
        assert Sandbox.format_error(reason) == "it raised ** (ArgumentError) argument error"
      end

      refute Sandboxed.escaped?()
    end

    test "are told without code of the plugin" do
      for reason <- [{:badarg, @explained}, {{:badarg, @explained}, {GenServer, :call, [1]}}] do
        assert {:error, reason} = Sandbox.run(Sandboxed.exiting(reason), allowed_modules: [])

        assert Sandbox.format_error(reason) =~
                 ~r/\Ait exited: .*an exception was raised: \*\* \(ArgumentError\)/

        refute inspect(reason) =~ "escape"
      end

      assert Sandbox.format_error({:exit, {:badarg, @explained}}) =~ "argument error"

      for {fields, sentence} <- [
            {%{message: "x"}, "it raised ** (Pipeline.Sandboxed) x"},
            {%{message: "two\n  lines\e[31m" <> <<255>>},
             "it raised ** (Pipeline.Sandboxed) two lines\\x{1B}[31m\\xFF"},
            {%{message: 1, reason: :why}, "it raised ** (Pipeline.Sandboxed) message: 1, reason: :why"}
          ] do
        claim = Map.merge(%{__struct__: Sandboxed, __exception__: true}, fields)

        assert {:error, {:raised, _, _} = reason} = Sandbox.run(Sandboxed.raising(claim), allowed_modules: [])

        assert Sandbox.format_error(reason) == sentence
      end

      refute Sandboxed.escaped?()
    end

    test "are told in bounded time and length" do
      for term <- [
            Sandboxed.double([1], 60),
            Integer.pow(2, 4_000_000),
            String.duplicate("x", 10_000_000),
            Map.new(1..100_000, &{&1, &1}),
            Enum.reduce(1..100_000, [], fn _, list -> [list] end)
          ],
          reason <- [
            {:exit, term},
            {:throw, term},
            {:raised, %MatchError{term: term}, []},
            {:exit, {:shutdown, term}}
          ] do
        text = Sandbox.format_error(reason)
        assert String.valid?(text) and byte_size(text) < 5_000
      end
    end
  end

  describe "a term that is larger than max_heap" do
    test "is made before its process is ended, if it is made in one step" do
      list = Sandboxed.listed(2_000_000)
      assert Sandbox.run(list, max_heap: 1_000_000) == {:error, :max_heap}

      assert {:error, {:not_allowed, [{{:erlang, :binary_to_list, 1}, _}]}} =
               Sandbox.run(list, allowed_modules: [])
    end
  end

  describe "a result that is late" do
    test "is a timeout, where the VM could not interrupt the function" do
      assert Sandbox.run(Sandboxed.squared(3), allowed_modules: []) == {:ok, 2}
      # The last multiplications take far longer; beyond, the numbers are too large for newer VMs.
      assert Sandbox.run(Sandboxed.squared(21), timeout: 1) == {:error, :timeout}
    end
  end

  describe "allowed_modules" do
    defp refused(fun, modules) do
      assert {:error, {:not_allowed, violations} = reason} = Sandbox.run(fun, allowed_modules: modules)
      assert is_binary(Sandbox.format_error(reason))
      Enum.map(violations, &elem(&1, 0))
    end

    test "lets a function call them, and compute" do
      assert Sandbox.run(Sandboxed.sum([1, 2]), allowed_modules: [Enum]) == {:ok, 4}
      assert Sandbox.run(Sandboxed.rescuing([]), allowed_modules: []) == {:ok, :empty}
      assert {:ok, {:ok, _}} = Sandbox.run(&File.cwd/0, allowed_modules: [File])
    end

    test "refuses others by the name of the call and where it stands, before anything runs" do
      assert {:error, {:not_allowed, [{{Enum, :sum, 1}, from}]} = reason} =
               Sandbox.run(Sandboxed.sum([1]), allowed_modules: [Map])

      assert {Sandboxed, _, 1} = from

      assert Sandbox.format_error(reason) ==
               "anonymous fn/1 in Pipeline.Sandboxed.sum/1 calls Enum.sum/1, which is not in allowed_modules; " <>
                 "leave the call out, or allow Enum"

      assert refused(Sandboxed.sending(self()), []) == [{:erlang, :send, 2}]
      refute_received :from_the_sandbox
    end

    test "finds a call in what the function captures, closes over, makes and reaches" do
      assert refused(Sandboxed.captured(["x"]), [Enum]) == [{File, :rm, 1}]
      assert refused(Sandboxed.within("x"), [Enum]) == [{File, :read, 1}]
      assert refused(Sandboxed.calling(&File.rm/1), []) == [{File, :rm, 1}]
      assert refused(Sandboxed.calling(Sandboxed.calling(&File.rm/1)), []) == [{File, :rm, 1}]
      assert refused(Sandboxed.deep(&File.rm/1), []) == [{File, :rm, 1}]
      assert refused(Sandboxed.through_functions([]), []) == [{File, :rm, 1}]
      assert refused(Sandboxed.through_itself(), []) == [{System, :halt, 1}]
      assert refused(&File.cwd/0, [Enum]) == [{File, :cwd, 0}]
      assert Sandbox.run(Sandboxed.calling(Sandboxed.adding(2)), allowed_modules: []) == {:ok, 3}
    end

    test "refuses calls that are known only at run time" do
      assert refused(Sandboxed.by_name(File), [File]) == [:dynamic]
      assert refused(Sandboxed.by_field(File), [File]) == [:dynamic]
      assert refused(Sandboxed.applying(File), [File]) == [:dynamic]
      assert refused(Sandboxed.capturing(File), [File]) == [{:erlang, :make_fun, 3}]
    end

    test "refuses what the VM runs as an instruction and does not compute" do
      assert refused(Sandboxed.dictionary(), []) == [{:erlang, :get, 1}]
    end

    test "refuses processes and atoms, which :erlang makes" do
      assert {:erlang, :spawn, 1} in refused(Sandboxed.spawning(self()), [])
      assert [{:erlang, :binary_to_atom, _}] = refused(Sandboxed.naming("x"), [])
    end

    test "refuses a native function of the function's own module, whose instructions are not what runs" do
      measuring = VmHooks.measuring()
      # The Elixir function in its place would only call this module.
      assert refused(measuring, [Pipeline.Native.Library]) == [{VmHooks, :memory, 0}]
      assert {:ok, _} = Sandbox.run(measuring, allowed_modules: [VmHooks])
    end

    for {way, call} <- [
          default: {Access, :get_and_update, 3},
          fun_info: {:erlang, :fun_info, 2},
          protocol: {String.Chars, :to_string, 1},
          apply_list: {:erlang, :apply, 2},
          apply_three: :dynamic,
          static_apply: {File, :cwd, 0},
          match_spec: {:erlang, :match_spec_test, 3},
          persistent_term: {:persistent_term, :put, 2},
          atomics: {:atomics, :put, 3},
          dictionary: {:erlang, :put, 2},
          from_bytes: {:erlang, :binary_to_term, 1},
          hibernation: {:erlang, :hibernate, 3},
          struct_of_module: {Kernel, :struct, 2},
          literal: {File, :cwd, 0},
          tuple_call: {File, :cwd, 0},
          guard: {:erlang, :send, 2},
          flag: {:erlang, :process_flag, 2},
          group_leader: {:erlang, :group_leader, 0},
          signal: {:erlang, :exit, 2},
          alias: {:erlang, :alias, 0},
          trace: {:erlang, :trace, 3},
          bytes: {:erlang, :binary_to_list, 1},
          bits: {:erlang, :bitstring_to_list, 1},
          restacked: {:erlang, :raise, 3}
        ] do
      test "has no way around it: #{way}" do
        assert unquote(Macro.escape(call)) in refused(Sandboxed.around(unquote(way)), [])
      end
    end

    # By which function depends on the version of Elixir.
    test "has no way around it: comprehension" do
      assert Enum.any?(refused(Sandboxed.around(:comprehension), []), &match?({Enum, _, _}, &1))
    end

    for {way, result} <- [
          binary_generator: {:ok, ~c"bcd"},
          bits: {:ok, <<0, 0, 0, 0, 0, 1, 0, 1>>},
          struct_update: {:ok, %{a: 3, b: 2}},
          receive: {:ok, :nothing},
          guards: {:ok, :yes},
          reraised: {:ok, {:again, :again}}
        ] do
      test "lets a function compute: #{way}" do
        assert Sandbox.run(Sandboxed.computing(unquote(way)), allowed_modules: []) ==
                 unquote(Macro.escape(result))
      end
    end

    test "looks into the functions that a function of an allowed module closes over" do
      stream = Stream.map(["x"], &File.rm/1)
      assert {File, :rm, 1} in refused(Sandboxed.lazily(stream), [Enum, Stream])
      fine = Stream.map([1], Sandboxed.adding(1))
      assert Sandbox.run(Sandboxed.lazily(fine), allowed_modules: [Enum, Stream]) == {:ok, [2]}
    end

    test "refuses a function whose code is not there to be read" do
      here = fn -> 1 end

      assert {:error, {:cannot_inspect, __MODULE__, :no_file} = reason} =
               Sandbox.run(here, allowed_modules: [])

      assert Sandbox.format_error(reason) ==
               "the code of Pipeline.SandboxTest cannot be inspected: it has no BEAM file; compile it into one"

      {evaluated, _} = Code.eval_string("fn -> 1 end")
      assert {:error, {:cannot_inspect, _, :evaluated}} = Sandbox.run(evaluated, allowed_modules: [])
    end

    test "refuses a function of a version that is not the current one, within one that is" do
      old = ~S"""
      defmodule Pipeline.SandboxUpgraded do
        def fun, do: fn -> File.cwd!() end
        def calling, do: fn -> __MODULE__.called() end
        def called, do: 1
      end
      """

      new = ~S"""
      defmodule Pipeline.SandboxUpgraded do
        def fun, do: fn -> 1 end
        def within(fun), do: fn -> fun.() end
        def called, do: File.cwd!()
      end
      """

      module = Pipeline.SandboxUpgraded
      on_exit(fn -> Pipeline.InstanceCase.remove(module) end)
      [old, new] = Enum.map([old, new], &Pipeline.Elsewhere.compile!/1)
      for directory <- [old, new], do: on_exit(fn -> Code.delete_path(directory) end)

      Code.prepend_path(old)
      [old_fun, calling] = [apply(module, :fun, []), apply(module, :calling, [])]
      assert Sandbox.run(calling, allowed_modules: []) == {:ok, 1}

      # Its file is that of the function, and what it calls is not.
      {:module, ^module} = :code.load_abs(String.to_charlist("#{new}/#{module}"))
      refusal = {:error, {:cannot_inspect, module, :other_version}}
      assert Sandbox.run(calling, allowed_modules: []) == refusal

      Code.delete_path(old)
      Code.prepend_path(new)
      assert Sandbox.run(apply(module, :fun, []), allowed_modules: []) == {:ok, 1}
      assert Sandbox.run(old_fun, allowed_modules: []) == refusal
      assert Sandbox.run(apply(module, :within, [old_fun]), allowed_modules: []) == refusal
    end

    test "refuses a function of another version than the file" do
      source = fn n -> "defmodule Pipeline.SandboxVersion do\n  def fun, do: fn -> #{n} end\nend" end
      directory = Pipeline.Elsewhere.compile!(source.(1))
      on_exit(fn -> Pipeline.InstanceCase.remove(Pipeline.SandboxVersion) end)
      Code.prepend_path(directory)
      on_exit(fn -> Code.delete_path(directory) end)
      fun = apply(Pipeline.SandboxVersion, :fun, [])
      assert Sandbox.run(fun, allowed_modules: []) == {:ok, 1}

      File.rename!(directory, directory <> "_old")
      other = Pipeline.Elsewhere.compile!(source.(2))
      File.rename!(other, directory)
      on_exit(fn -> File.rm_rf!(directory <> "_old") end)
      on_exit(fn -> File.rm_rf!(directory) end)

      assert {:error, {:cannot_inspect, Pipeline.SandboxVersion, :other_version}} =
               Sandbox.run(fun, allowed_modules: [])
    end
  end

  test "options that are wrong are refused" do
    run = fn opts -> fn -> Sandbox.run(fn -> 1 end, opts) end end
    assert_raise ArgumentError, ~r/unknown option :time of Pipeline.Sandbox.run/, run.(time: 1)
    assert_raise ArgumentError, ~r/timeout: is a number of milliseconds/, run.(timeout: -1)
    assert_raise ArgumentError, ~r/max_heap: is a number of bytes, at least/, run.(max_heap: 1)
    assert_raise ArgumentError, ~r/allowed_modules: is a list of modules or :all/, run.(allowed_modules: Enum)
    assert_raise ArgumentError, ~r/allowed_modules: is a list/, run.(allowed_modules: ["Enum"])
  end

  defp spin, do: spin()
end
