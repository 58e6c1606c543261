import { DataTypes } from "sequelize";
import { Column, Model, Table } from "sequelize-typescript";

/** Table `tasks`. Read raw: instants are epoch milliseconds (see instants.ts), labels and targets their JSON text. */
@Table({ tableName: "tasks", timestamps: false })
export class TaskModel extends Model {
  @Column({ type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true })
  declare id: number;
  @Column({ type: DataTypes.STRING(255), allowNull: false })
  declare name: string;
  @Column({ type: DataTypes.DATE(3), allowNull: false, field: "scheduled_time" })
  declare scheduledTimeMs: number;
  @Column({ type: DataTypes.ENUM("ONCE", "DAILY", "WEEKLY", "BIWEEKLY", "MONTHLY", "QUARTERLY", "YEARLY") })
  declare recurrence: string | null;
  @Column({ type: DataTypes.STRING(64), allowNull: false, field: "time_zone" })
  declare timeZone: string;
  @Column({ type: DataTypes.STRING(4096), allowNull: false })
  declare description: string;
  @Column({ type: DataTypes.TEXT, allowNull: false })
  declare labels: string;
  @Column({ type: DataTypes.TEXT, allowNull: false })
  declare webhook: string;
  @Column({ type: DataTypes.STRING(1024), allowNull: false, field: "retry_policy" })
  declare retryPolicy: string;
  @Column({ type: DataTypes.INTEGER.UNSIGNED, allowNull: false, field: "timeout_ms" })
  declare timeoutMs: number;
  @Column({ type: DataTypes.ENUM("ACTIVE", "PAUSED", "COMPLETED"), allowNull: false })
  declare state: string;
  @Column({ type: DataTypes.STRING(1024), allowNull: false, field: "pause_reason" })
  declare pauseReason: string;
  @Column({ type: DataTypes.DATE(3), field: "next_run_time" })
  declare nextRunTimeMs: number | null;
  @Column({ type: DataTypes.DATE(3), allowNull: false, field: "armed_time" })
  declare armedTimeMs: number;
  @Column({ type: DataTypes.INTEGER.UNSIGNED, allowNull: false, field: "run_count" })
  declare runCount: number;
  @Column({ type: DataTypes.DATE(3), field: "last_run_time" })
  declare lastRunTimeMs: number | null;
  @Column({ type: DataTypes.INTEGER.UNSIGNED, allowNull: false })
  declare version: number;
  @Column({ type: DataTypes.DATE(3), allowNull: false, field: "create_time" })
  declare createTimeMs: number;
  @Column({ type: DataTypes.DATE(3), allowNull: false, field: "update_time" })
  declare updateTimeMs: number;
}
