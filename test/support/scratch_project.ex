defmodule Pipeline.ScratchProject do
  @moduledoc """
  A Mix project in a folder of its own, for the tests of Mix tasks. It is gone after the test.

  Cargo builds into the `target/` of this checkout, where what pipeline_term needs is built already.
  """

  @checkout File.cwd!()

  # What the run of this suite has set for itself.
  @unset ~w(MIX_EXS MIX_TARGET MIX_BUILD_PATH MIX_BUILD_ROOT MIX_DEPS_PATH MIX_QUIET ERL_LIBS)

  @spec checkout() :: Path.t()
  def checkout, do: @checkout

  @doc "An empty folder."
  @spec dir!() :: Path.t()
  def dir! do
    dir =
      Path.join(System.tmp_dir!(), "pipeline_plugin_#{System.pid()}_#{System.unique_integer([:positive])}")

    File.mkdir_p!(dir)
    ExUnit.Callbacks.on_exit(fn -> File.rm_rf!(dir) end)
    dir
  end

  @doc "What `mix new` makes of a name."
  @spec new!(String.t(), [String.t()]) :: Path.t()
  def new!(name, args \\ []) do
    dir = dir!()
    {_, 0} = mix(dir, ["new", name | args])
    Path.join(dir, name)
  end

  @doc "Writes a file of the project."
  @spec write!(Path.t(), Path.t(), iodata) :: :ok
  def write!(project, path, contents) do
    file = Path.join(project, path)
    File.mkdir_p!(Path.dirname(file))
    File.write!(file, contents)
  end

  @doc "Changes a file of the project; what is to be replaced has to be there."
  @spec replace!(Path.t(), Path.t(), String.t() | Regex.t(), String.t()) :: :ok
  def replace!(project, path, pattern, replacement) do
    file = Path.join(project, path)
    before = File.read!(file)
    changed = String.replace(before, pattern, replacement, global: false)
    if changed == before, do: raise("#{inspect(pattern)} is not in #{file}")
    File.write!(file, changed)
  end

  @doc "Waits until what is written now counts as written before what follows: stamps have the second of a change."
  @spec await_next_second() :: :ok
  def await_next_second, do: await_second_after(System.os_time(:second))

  defp await_second_after(second) do
    if System.os_time(:second) > second do
      :ok
    else
      receive do
      after
        1000 - rem(System.os_time(:millisecond), 1000) -> await_second_after(second)
      end
    end
  end

  @doc "Runs mix in the project, in the environment `test`, and returns its output and its status."
  @spec mix(Path.t(), [String.t()], [{String.t(), String.t() | nil}]) :: {String.t(), non_neg_integer}
  def mix(project, args, env \\ []) do
    own = [{"MIX_ENV", "test"}, {"CARGO_TARGET_DIR", target_dir()} | Enum.map(@unset, &{&1, nil})]
    env = Enum.uniq_by(env ++ own, &elem(&1, 0))
    System.cmd(System.find_executable("mix"), args, cd: project, stderr_to_stdout: true, env: env)
  end

  @doc "Where Cargo builds unless a project is told otherwise."
  @spec target_dir() :: Path.t()
  def target_dir, do: Path.expand(System.get_env("CARGO_TARGET_DIR") || "target", @checkout)
end
