/** Settings of an endpoint: checked, and in the words of the SDK. */

import type { InvokeEndpointCommandInput } from '@aws-sdk/client-sagemaker-runtime'
import type { SageMakerSettings } from './model.ts'

/** What every request of an endpoint has. */
export function inputOf(
  EndpointName: string,
  settings: Omit<SageMakerSettings, 'adapter' | 'client'>,
): Omit<InvokeEndpointCommandInput, 'Body'> {
  const { inferenceComponent, targetVariant, targetModel, targetContainer, customAttributes } = settings
  return {
    EndpointName,
    ...(inferenceComponent !== undefined && { InferenceComponentName: inferenceComponent }),
    ...(targetVariant !== undefined && { TargetVariant: targetVariant }),
    ...(targetModel !== undefined && { TargetModel: targetModel }),
    ...(targetContainer !== undefined && { TargetContainerHostname: targetContainer }),
    ...(customAttributes !== undefined && { CustomAttributes: customAttributes }),
  }
}

/** @throws TypeError naming the setting that cannot be right */
export function checkSettings(endpointName: unknown, settings: Omit<SageMakerSettings, 'adapter'>): void {
  if (typeof endpointName !== 'string' || !/^[a-zA-Z0-9](?:-*[a-zA-Z0-9])*$/.test(endpointName)) {
    throw new TypeError(
      `sagemaker: the endpoint is ${JSON.stringify(endpointName)}. Give the name of one, such as "llama-3-8b".`,
    )
  }
  const { maxTokens, temperature, topP, customAttributes, inferenceComponent, targetModel } = settings
  if (maxTokens !== undefined && !(Number.isInteger(maxTokens) && maxTokens > 0)) {
    throw new TypeError(
      `sagemaker: maxTokens is ${String(maxTokens)}. Give a whole number of tokens above 0.`,
    )
  }
  for (const [option, value, most] of [
    ['temperature', temperature, 2],
    ['topP', topP, 1],
  ] as const) {
    if (value !== undefined && !(typeof value === 'number' && value >= 0 && value <= most)) {
      throw new TypeError(`sagemaker: ${option} is ${String(value)}. Give a number from 0 to ${most}.`)
    }
  }
  if (customAttributes !== undefined && !/^[\x20-\x7e]{0,1024}$/.test(customAttributes)) {
    throw new TypeError('sagemaker: customAttributes has to be at most 1024 visible characters of ASCII.')
  }
  if (inferenceComponent !== undefined && targetModel !== undefined) {
    throw new TypeError(
      'sagemaker: an endpoint has inference components or target models. Give one of the two.',
    )
  }
}
