defmodule Pipeline.OpenAI.Answer do
  @moduledoc false
  # An answer as it is collected: from one message, or from the deltas of a stream.

  alias Pipeline.Hook
  alias Pipeline.OpenAI.{Failure, Transport}
  alias Pipeline.Provider.Error

  defstruct model: "", text: [], calls: %{}, finish_reason: nil, usage: %{}

  @type t :: %__MODULE__{
          model: String.t(),
          text: iodata,
          calls: %{optional(integer) => map},
          finish_reason: String.t() | nil,
          usage: map
        }

  @reasons %{
    "stop" => :stop,
    "length" => :length,
    "tool_calls" => :tool_calls,
    "function_call" => :tool_calls,
    "content_filter" => :content_filter
  }

  @usage %{
    "prompt_tokens" => :prompt_tokens,
    "completion_tokens" => :completion_tokens,
    "total_tokens" => :total_tokens
  }

  @doc "The response of a body that came whole."
  @spec of_body(term, map | nil) :: {:ok, Pipeline.Provider.response()} | {:error, Error.t()}
  def of_body(%{"choices" => [%{"message" => message} = choice | _]} = body, schema) when is_map(message) do
    calls = message["tool_calls"] || []

    if is_list(calls) and Enum.all?(calls, &is_map/1) do
      %__MODULE__{}
      |> head(body)
      |> piece(message["content"])
      |> Map.put(
        :calls,
        for({call, place} <- Enum.with_index(calls), into: %{}, do: {place, collect(%{}, call)})
      )
      |> Map.put(:finish_reason, choice["finish_reason"])
      |> response(schema)
    else
      {:error, Failure.invalid("the answer has tool calls of an unknown form")}
    end
  end

  def of_body(_body, _schema), do: {:error, Failure.invalid("the answer has no choices with a message")}

  @doc "Takes an event in and returns the text that came with it."
  @spec event(t, map) :: {String.t(), t}
  def event(answer, event) do
    choice = with [%{} = choice | _] <- event["choices"], do: choice, else: (_ -> %{})
    delta = with %{} = delta <- choice["delta"], do: delta, else: (_ -> %{})
    calls = with calls when is_list(calls) <- delta["tool_calls"], do: calls, else: (_ -> [])
    text = with text when is_binary(text) <- delta["content"], do: text, else: (_ -> "")

    answer = answer |> head(event) |> piece(text)

    collected =
      for %{} = call <- calls, reduce: answer.calls do
        collected -> Map.update(collected, call["index"] || 0, collect(%{}, call), &collect(&1, call))
      end

    {text, %{answer | calls: collected, finish_reason: choice["finish_reason"] || answer.finish_reason}}
  end

  @doc "Whether the server has said why the answer ends."
  @spec finished?(t) :: boolean
  def finished?(answer), do: answer.finish_reason != nil

  @doc "The response, its object validated if there is a schema."
  @spec response(t, map | nil) :: {:ok, Pipeline.Provider.response()} | {:error, Error.t()}
  def response(answer, schema) do
    with {:ok, calls} <- calls(answer) do
      response = %{
        text: IO.iodata_to_binary(answer.text),
        model: answer.model,
        usage: answer.usage,
        finish_reason: Map.get(@reasons, answer.finish_reason, answer.finish_reason),
        tool_calls: calls
      }

      if schema == nil or calls != [], do: {:ok, response}, else: object(response, schema)
    end
  end

  @doc "The counts that the protocol defines."
  @spec usage(term) :: map
  def usage(%{} = usage),
    do: for({from, to} <- @usage, is_integer(usage[from]), into: %{}, do: {to, usage[from]})

  def usage(_none), do: %{}

  defp head(answer, body) do
    answer = if is_binary(body["model"]), do: %{answer | model: body["model"]}, else: answer

    if is_map(body["usage"]), do: %{answer | usage: usage(body["usage"])}, else: answer
  end

  defp piece(answer, text) when is_binary(text), do: %{answer | text: [answer.text, text]}
  defp piece(answer, _none), do: answer

  # Names and arguments of a call come in pieces.
  defp collect(call, piece) do
    function = with %{} = function <- piece["function"], do: function, else: (_ -> %{})

    %{
      id: call[:id] || piece["id"],
      name: join(call[:name], function["name"]),
      arguments: [
        call[:arguments] || [],
        if(is_binary(function["arguments"]), do: function["arguments"], else: "")
      ]
    }
  end

  defp join(nil, name) when is_binary(name), do: name
  defp join(known, name) when is_binary(known) and is_binary(name), do: known <> name
  defp join(known, _name), do: known

  defp calls(answer) do
    answer.calls
    |> Enum.sort()
    |> Enum.reduce_while({:ok, []}, fn {_place, call}, {:ok, done} ->
      case call(call) do
        {:ok, call} -> {:cont, {:ok, [call | done]}}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
    |> then(fn
      {:ok, calls} -> {:ok, Enum.reverse(calls)}
      error -> error
    end)
  end

  defp call(%{name: name, arguments: arguments} = call) do
    text = IO.iodata_to_binary(arguments)

    with true <- is_binary(name),
         {:ok, %{} = arguments} <- Transport.decode_json(if(text == "", do: "{}", else: text)) do
      {:ok, %{id: call.id || name, name: name, arguments: arguments}}
    else
      _ ->
        {:error,
         Failure.invalid("the model called a tool without a name, or with arguments that are no JSON object")}
    end
  end

  defp object(response, schema) do
    hook = {:native, :json_schema, %{field: :object, schema: schema}}

    with {:ok, object} <- Transport.decode_json(response.text),
         {:ok, _} <- Hook.Manager.run_hook(hook, %{object: object}) do
      {:ok, Map.put(response, :object, object)}
    else
      {:error, {:schema_violation, _path, messages}} ->
        {:error, Failure.invalid("the answer does not match the schema: " <> Enum.join(messages, "; "))}

      {:error, message} when is_binary(message) ->
        ended = if response.finish_reason == :length, do: "; it was cut off, raise max_tokens", else: ""
        {:error, Failure.invalid("the answer is #{message}#{ended}")}

      {:error, error} ->
        {:error, Failure.invalid("the schema cannot be checked: " <> Exception.message(error))}
    end
  end
end
