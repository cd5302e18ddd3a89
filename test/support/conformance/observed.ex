defmodule Pipeline.Conformance.Observed do
  @moduledoc """
  What is seen of a run: its result, who was called, and which failures were reported.

  Hooks and base operations tell the process that runs the case when they are called, native ones too.
  """

  alias Pipeline.Conformance.{Case, Program}
  alias Pipeline.Hook

  @type t :: %{result: term, calls: [atom], reported: [Case.report()]}

  @doc "Runs a point and gathers what is seen of it."
  @spec run(atom, (() -> term)) :: t
  def run(point, fun) do
    Program.reset()

    result =
      try do
        fun.()
      catch
        kind, reason -> {:raised, kind, reason}
      end

    %{result: plain(result, point), calls: calls(), reported: reported()}
  end

  @doc "The function of a hook that tells of its call."
  @spec traced(pid, atom, Case.behaviour(), term, Hook.next()) :: term
  def traced(test, plugin, behaviour, context, next) do
    send(test, {:called, plugin})
    if is_list(behaviour), do: Program.run(behaviour, context, next), else: behaviour.(context, next)
  end

  @doc "The same of a listener."
  @spec traced(pid, atom, Case.behaviour(), term) :: term
  def traced(test, plugin, behaviour, context) do
    send(test, {:called, plugin})
    if is_list(behaviour), do: Program.run(behaviour, context, nil), else: behaviour.(context)
  end

  @doc "The function of a base operation, `nil` for none."
  @spec core(Case.t()) :: Hook.next() | nil
  def core(%Case{core: nil}), do: nil

  def core(%Case{core: core}) do
    test = self()
    fn context -> traced(test, :core, core, context) end
  end

  # A failure is an error whose every field is right, and which tells where it happened.
  defp plain({:error, %Hook.Error{point: point, stacktrace: [_ | _]} = error}, point) do
    {:failed, error.plugin, error.kind, Program.reason(error.reason)}
  end

  defp plain({:raised, kind, reason}, _point), do: {:raised, kind, Program.reason(reason)}
  defp plain(result, _point), do: result

  defp calls do
    receive do
      {:called, name} -> [name | calls()]
    after
      0 -> []
    end
  end

  defp reported do
    receive do
      {:pipeline_event, {:plugin, :hook_failed}, %{error: %Hook.Error{} = error}} ->
        [{error.plugin, error.kind, Program.reason(error.reason)} | reported()]
    after
      0 -> []
    end
  end

  @doc "What differs from what is expected, `[]` if nothing does. `:any` stands for every reason."
  @spec differences(t, keyword) :: [{atom, expected :: term, got :: term}]
  def differences(seen, expected) do
    for {what, wanted} <- expected, got = Map.fetch!(seen, what), not same?(got, wanted) do
      {what, wanted, got}
    end
  end

  defp same?({:failed, plugin, kind, _}, {:failed, plugin, kind, :any}), do: true
  defp same?({:contradiction, _}, {:contradiction, :any}), do: true
  defp same?(got, wanted) when is_list(got) and is_list(wanted), do: same_reports?(got, wanted)
  defp same?(got, wanted), do: got == wanted

  defp same_reports?([_ | got], [:any | wanted]), do: same_reports?(got, wanted)

  defp same_reports?([{plugin, kind, _} | got], [{plugin, kind, :any} | wanted]),
    do: same_reports?(got, wanted)

  defp same_reports?([one | got], [one | wanted]), do: same_reports?(got, wanted)
  defp same_reports?(got, wanted), do: got == wanted
end
