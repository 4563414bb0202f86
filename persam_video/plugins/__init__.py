"""The package inside other tools: Label Studio, CVAT and notebooks."""
