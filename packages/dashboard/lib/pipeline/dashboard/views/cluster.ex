defmodule Pipeline.Dashboard.Views.Cluster do
  @moduledoc false
  # The members of the instance's cluster, and what this node has not carried out.

  import Pipeline.Dashboard.Markup

  alias Pipeline.Cluster

  @spec show(term) :: Pipeline.Dashboard.Markup.markup()
  def show(instance) do
    [
      table(
        "Members",
        ["Node", "Which"],
        for(
          member <- Cluster.nodes(instance: instance),
          do: [term(member), if(member == node(), do: "this node")]
        ),
        "This instance is in no cluster (cluster:)."
      ),
      el(:h2, [], "Changed on all nodes"),
      table(
        "Plugins",
        ["Plugin", "Is to be", "Here", "Failure"],
        for(plugin <- Cluster.plugins(instance: instance), do: row(plugin)),
        "No plugin was changed on all nodes."
      )
    ]
  end

  defp row(plugin) do
    here = if plugin.applied, do: badge("done", :good), else: badge("pending", :warn)
    [term(plugin.id), plugin.state, here, if(plugin.failed, do: term(plugin.failed))]
  end
end
