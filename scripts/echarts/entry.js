// The parts of ECharts that omlzoo/pages/charts.js uses, drawn on a canvas.
import { init, use } from "echarts/core";
import { LineChart, ScatterChart } from "echarts/charts";
import { BrushComponent, DataZoomInsideComponent, GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { CanvasRenderer } from "echarts/renderers";

use([LineChart, ScatterChart, BrushComponent, DataZoomInsideComponent, GridComponent, LegendComponent, TooltipComponent, CanvasRenderer]);
window.echarts = { init };
