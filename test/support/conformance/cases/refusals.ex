defmodule Pipeline.Conformance.Cases.Refusals do
  @moduledoc """
  Hooks that refuse: `throw {:hook_error, reason}`.
  """

  import Pipeline.Conformance.Case

  alias Pipeline.Conformance.Behaviours

  @core [{:mark, :core}]
  @pass [:next]

  def all do
    for {kind, calls} <- [before: [:x], after: [:core, :x], around: [:x], replace: [:x]] do
      a("a refusal of a hook of the kind #{kind}",
        hooks: [{:x, kind, [], [{:refuse, :no}]}],
        core: @core,
        expect: {:error, {:refused, :no}},
        calls: calls
      )
    end ++
      [
        a("throw {:hook_error, reason} from deep inside a function that the hook calls",
          hooks: [
            {:x, :before, [],
             fn context, next ->
               next.(Enum.map(context, fn n -> Behaviours.deep(n, fn -> throw({:hook_error, :deep}) end) end))
             end}
          ],
          context: [1],
          core: @core,
          expect: {:error, :deep},
          calls: [:x]
        ),
        a("a refusal of the base operation",
          hooks: [{:x, :around, [], @pass}, {:y, :before, [], @pass}, {:z, :after, [], @pass}],
          core: [{:refuse, :no}],
          expect: {:error, {:refused, :no}},
          calls: [:x, :y, :core]
        ),
        a("a refusal after next returned",
          hooks: [{:x, :around, [], [:next, {:refuse, :no}]}, {:y, :before, [], @pass}],
          core: @core,
          expect: {:error, {:refused, :no}},
          calls: [:x, :y, :core]
        ),
        a("after hooks do not run after a refusal",
          hooks: [
            {:x, :before, [], [{:refuse, %{why: ["not", :today]}}]},
            {:y, :after, [], @pass},
            {:z, :around, [], @pass}
          ],
          core: @core,
          expect: {:error, {:refused, %{why: ["not", :today]}}},
          calls: [:z, :x]
        )
      ]
  end
end
