defmodule Pipeline.OpenAI.Request do
  @moduledoc false
  # The body of a chat request.

  alias Pipeline.Options
  alias Pipeline.Provider.Error

  @options [:frequency_penalty, :max_tokens, :model, :n_ctx, :presence_penalty, :seed, :stop, :temperature] ++
             [:tool_choice, :top_p, :user]
  @keys [:task, :input, :messages, :tools, :schema, :options]

  @spec body(Pipeline.Provider.request(), map, keyword) :: {:ok, map} | {:error, Error.t()}
  def body(request, config, extra \\ []) do
    with :ok <- known(request, @keys, "a request"),
         {:ok, messages} <- messages(request),
         {:ok, tools} <- tools(request[:tools]),
         {:ok, options} <- options(request) do
      {:ok,
       %{model: config.model, messages: messages}
       |> Map.merge(tools)
       |> Map.merge(format(request[:schema]))
       |> Map.merge(options)
       |> Map.merge(Map.new(extra))}
    end
  end

  defp messages(%{messages: [_ | _] = messages}) do
    Enum.reduce_while(messages, {:ok, []}, fn message, {:ok, done} ->
      case message(message) do
        {:ok, message} -> {:cont, {:ok, [message | done]}}
        error -> {:halt, error}
      end
    end)
    |> case do
      {:ok, messages} -> {:ok, Enum.reverse(messages)}
      error -> error
    end
  end

  defp messages(%{task: task, input: input} = request) when is_atom(task) and is_binary(input) do
    parameters =
      request
      |> Map.get(:options, %{})
      |> Map.drop(@options)
      |> Enum.map_join(", ", fn {name, value} -> "#{name}: #{inspect(value)}" end)

    instruction =
      "Do the task \"#{task}\" with the text of the user" <>
        if(parameters == "", do: "", else: " (#{parameters})") <> ". Answer with the result only."

    {:ok, [%{role: "system", content: instruction}, %{role: "user", content: input}]}
  end

  defp messages(_request),
    do: bad("it has neither :messages, a list that is not empty, nor a :task with its :input")

  defp message(%{role: role} = message) when role in [:system, :user, :assistant, :tool] do
    content = message[:content]

    cond do
      content != nil and not is_binary(content) -> bad("the :content of a message is a text")
      role == :tool and not is_binary(message[:tool_call_id]) -> bad("a :tool message has a :tool_call_id")
      role != :assistant and content == nil -> bad("a message of role #{inspect(role)} has :content")
      true -> calls(message)
    end
  end

  defp message(_message), do: bad("a message is a map with a :role, one of :system, :user, :assistant, :tool")

  defp calls(message) do
    with {:ok, calls} <- calls_of(message[:tool_calls] || []) do
      {:ok,
       %{role: Atom.to_string(message.role), content: message[:content] || ""}
       |> put(:tool_call_id, message[:tool_call_id])
       |> put(:tool_calls, if(calls != [], do: calls))}
    end
  end

  defp calls_of(calls) do
    Enum.reduce_while(Enum.reverse(calls), {:ok, []}, fn
      %{id: id, name: name, arguments: arguments}, {:ok, done} ->
        case Pipeline.OpenAI.Transport.encode_json(arguments) do
          {:ok, json} ->
            call = %{id: id, type: "function", function: %{name: name, arguments: json}}
            {:cont, {:ok, [call | done]}}

          {:error, message} ->
            {:halt, bad("the arguments of a tool call cannot be written as JSON: " <> message)}
        end

      _other, _done ->
        {:halt, bad("a tool call is a map with :id, :name and :arguments")}
    end)
  end

  defp tools(nil), do: {:ok, %{}}

  defp tools(tools) when is_list(tools) do
    if Enum.all?(tools, &match?(%{name: name} when is_binary(name), &1)) do
      {:ok, %{tools: Enum.map(tools, &%{type: "function", function: &1})}}
    else
      bad("a tool is a map with a :name, and perhaps :description and :parameters")
    end
  end

  defp tools(_tools), do: bad(":tools is a list")

  defp format(nil), do: %{}

  defp format(schema) do
    %{response_format: %{type: "json_schema", json_schema: %{name: "answer", strict: true, schema: schema}}}
  end

  # A task's own parameters are part of its instructions.
  defp options(%{messages: _, options: options}) do
    with :ok <- known(options, @options, "the options of a request"), do: {:ok, options}
  end

  defp options(%{options: options}) when is_map(options), do: {:ok, Map.take(options, @options)}
  defp options(%{options: _}), do: bad(":options is a map")
  defp options(_request), do: {:ok, %{}}

  defp known(map, keys, of) when is_map(map) do
    case Options.check(Map.to_list(map), keys, of) do
      :ok -> :ok
      {:error, message} -> bad(message)
    end
  end

  defp known(_other, _keys, of), do: bad("#{of} is a map")

  defp put(map, _key, nil), do: map
  defp put(map, key, value), do: Map.put(map, key, value)

  defp bad(message), do: {:error, %Error{kind: :bad_request, message: "the request is wrong: " <> message}}
end
