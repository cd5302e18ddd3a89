defmodule Pipeline.Instance.Supervisor do
  @moduledoc false
  # The supervision tree of an instance. Whoever starts it names the processes and the state to publish, since they belong
  # to later layers.

  use Supervisor

  alias Pipeline.Instance.{Names, Published, PublishedState}

  @typedoc """
  The parts of an instance:

    * `:first` - children before the published state
    * `:published` - see `Pipeline.Instance.Published`
    * `:children` - the other children, in the order of their start
    * `:max_restarts` - restarts within 5 seconds before the instance ends
  """
  @type parts :: %{
          first: [Supervisor.child_spec() | {module, term}],
          published: Published.modules(),
          children: [Supervisor.child_spec() | {module, term}],
          max_restarts: non_neg_integer
        }

  @spec start_link(atom, parts) :: Supervisor.on_start()
  def start_link(name, parts) do
    Supervisor.start_link(__MODULE__, {name, parts}, name: Names.via(name, :instance))
  end

  @impl Supervisor
  def init({name, parts}) do
    children =
      parts.first ++
        [{PublishedState, {name, PublishedState.incarnation(), parts.published}}] ++ parts.children

    # A child finds all state of the children before it as it was, so `:rest_for_one` loses nothing and the limit can be
    # higher than that of a tree that loses its state.
    Supervisor.init(children, strategy: :rest_for_one, max_restarts: parts.max_restarts, max_seconds: 5)
  end
end
