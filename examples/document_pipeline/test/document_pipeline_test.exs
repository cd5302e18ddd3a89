defmodule DocumentPipelineTest do
  use ExUnit.Case, async: true

  alias Pipeline.Plugin.Manager

  @text """
  # A note

  Write to ada@example.org for the key. The engine weaves algebraic patterns as the loom weaves flowers and leaves.

  See [the notes](https://example.org/notes) on the engine. The engine has no pretensions to originate anything. It can
  do whatever we know how to order it to perform.

  The loom weaves flowers. The engine follows analysis, but it has no power of anticipating any analytical relations.
  """

  setup context do
    instance = :"#{inspect(__MODULE__)} #{context.test}"
    start_supervised!({Manager, name: instance})
    {:ok, instance: instance}
  end

  test "runs a document through plugins that were found in BEAM files", %{instance: instance} do
    {found, late} = DocumentPipeline.discover(late: ["strict_redactor"])
    assert length(late) == 1

    assert {:ok, ids} = DocumentPipeline.load(found, instance)
    assert :text_nodes in ids and :quality_gate in ids and :local_provider in ids
    assert index(ids, :local_provider) < index(ids, :text_nodes)
    assert index(ids, :text_nodes) < index(ids, :quality_gate)

    assert {:ok, run} = DocumentPipeline.run(@text, instance)
    assert run.results.tidy =~ "Write to [REDACTED] for the key."
    assert run.results.tidy =~ "https://example.org/notes"
    assert run.results.summary =~ "engine"
    assert run.results.tokens.tidy > run.results.tokens.summary
    assert Enum.map(run.timings, & &1.node) == [:split, :redact, :tidy, :summary, :tokens]

    assert {:ok, [:strict_redactor]} = DocumentPipeline.load(late, instance)
    assert {:ok, second} = DocumentPipeline.run(@text, instance)
    assert second.results.tidy =~ "See [the notes[LINK]"
    refute second.results.tidy =~ "https://"
    assert second.results.reading_time =~ "minutes"

    assert :ok = Manager.unload_plugin(:strict_redactor, instance: instance)
    assert {:ok, third} = DocumentPipeline.run(@text, instance)
    assert third.results == run.results
  end

  test "refuses a node that a validator does not like", %{instance: instance} do
    {found, _late} = DocumentPipeline.discover()
    {:ok, _ids} = DocumentPipeline.load(found, instance)

    assert {:error, %Pipeline.Runner.Error{node: :summary, reason: {:invalid, {:too_few_sentences, 0}}}} =
             Pipeline.Runner.run([%{id: :summary, type: :summarise, config: %{sentences: 0}}], @text,
               instance: instance
             )

    assert {:error, %Pipeline.Runner.Error{node: :split, reason: {:failed, :empty_document}}} =
             DocumentPipeline.run("", instance)
  end

  defp index(ids, id), do: Enum.find_index(ids, &(&1 == id))
end
