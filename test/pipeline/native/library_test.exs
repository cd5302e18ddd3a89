defmodule Pipeline.Native.LibraryTest do
  use Pipeline.InstanceCase, async: true

  # What such a module does once its library is built, examples/native_plugin tests with a crate of its own.

  defmodule Unbuilt do
    use Pipeline.Native.Library, otp_app: :pipeline_plugin, crate: :never_built
  end

  @missing "the native library never_built is not built: in mix.exs, list :pipeline_native under compilers: and " <>
             "never_built under pipeline_native:, then run mix compile"

  test "a plugin whose library is not built is refused, and the manager lives on", %{instance: instance} do
    module =
      plugin id: :early do
        hook :before, :step, native: {Pipeline.Native.LibraryTest.Unbuilt, :anything}
      end

    assert {:error, %Error{plugin: :early, step: :hooks} = error} =
             Manager.load_plugin(module, %{}, instance: instance)

    assert Exception.message(error) =~ @missing
    assert Manager.list_plugins(instance: instance) == []
    assert {:ok, :other} = Manager.load_plugin(plugin([id: :other], do: nil), %{}, instance: instance)
  end

  test "its functions say what is missing" do
    for call <- [
          fn -> Unbuilt.native_hooks() end,
          fn -> Unbuilt.segment(:before, []) end,
          fn -> Unbuilt.segment(:before, [], 500) end,
          fn -> Unbuilt.segment_stats(make_ref()) end,
          fn -> Unbuilt.breaker_new(1, 1, 1, 1) end,
          fn -> Unbuilt.breaker_admit(make_ref()) end,
          fn -> Unbuilt.breaker_failed(make_ref(), 0) end,
          fn -> Unbuilt.breaker_passed(make_ref(), 0) end,
          fn -> Unbuilt.breaker_reset(make_ref()) end,
          fn -> Unbuilt.breaker_counts(make_ref()) end,
          fn -> Unbuilt.run_segment(make_ref(), %{}) end,
          fn -> Unbuilt.run_segment_dirty(make_ref(), %{}) end
        ] do
      assert_raise RuntimeError, @missing, call
    end
  end

  test "the shipped library and one of one's own answer alike" do
    assert {:ok, hook} = Pipeline.Native.native_hook("increment", %{field: :n})
    segment = Pipeline.Native.segment(:before, [{hook, :halt}, {hook, :halt}])
    assert Pipeline.Native.run_segment(segment, %{n: 1}) == {:ok, %{n: 3}}
    assert Pipeline.Native.run_segment_dirty(segment, %{}) == {:ok, %{n: 2}}
  end

  describe "use" do
    test "refuses options that it does not know, with file and line" do
      assert compile_error("""
             defmodule Wrong do
               use Pipeline.Native.Library, otp_app: :my_app, crat: :my_hooks
             end
             """) ==
               "plugin.ex:2: unknown option :crat of use Pipeline.Native.Library. Did you mean :crate? " <>
                 "Known: :otp_app, :crate"
    end

    test "names the option that is missing" do
      assert compile_error("defmodule Wrong do use Pipeline.Native.Library, otp_app: :my_app end") ==
               "plugin.ex:1: use Pipeline.Native.Library takes :crate: an atom, the name of the crate"

      assert compile_error("defmodule Wrong do use Pipeline.Native.Library, crate: \"x\", otp_app: :a end") =~
               "takes :crate: an atom"

      assert compile_error("defmodule Wrong do use Pipeline.Native.Library, crate: :x end") =~
               "takes :otp_app: an atom, the application whose priv/native/ holds the library"
    end
  end
end
