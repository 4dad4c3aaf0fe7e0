import { describeRegistryContract } from "../contract/registry-contract.ts";
import { inProcess, overGrpc } from "../contract/registry-harness.ts";

describeRegistryContract("local, in process", inProcess);
describeRegistryContract("local, over gRPC", overGrpc);
